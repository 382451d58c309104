"""The commands of ``alseg``, one family a file."""
