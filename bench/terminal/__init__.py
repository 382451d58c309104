"""What a terminal shows of a study: the summary before it starts, the live display while it runs."""
