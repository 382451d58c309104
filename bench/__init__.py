"""Studies over :mod:`alseg_core`: many runs on Ray or in one process, tracked, compared and reported."""
