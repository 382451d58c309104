"""Scans from disk to prepared slices: readers, preparation, patient-level splits, the slice table."""
