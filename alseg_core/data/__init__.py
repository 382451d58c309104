"""Scans from disk to prepared slices: readers, preparation, splits by patient and the slice table."""
