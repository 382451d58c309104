"""One file per subject, each with a ``rows(bench)`` that measures and yields the lines of the table."""
