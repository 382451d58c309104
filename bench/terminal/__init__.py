"""What a terminal shows of a study: a summary before it starts and a live display while it runs."""
