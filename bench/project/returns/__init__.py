"""What annotators gave back: their files, their marks of what is done, and the slices that come of them."""
