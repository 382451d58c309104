"""Raw scans: what a dataset is, how to get it, and what is in a folder."""
