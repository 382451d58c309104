"""The commands of ``alseg``, one file per command."""
