"""One file a subject; each has ``rows(bench)``, which measures and yields the lines of the table."""
