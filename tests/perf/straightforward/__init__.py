"""The method as a plain script would do it: what the program's own ways are measured against, and checked against."""
