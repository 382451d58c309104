"""Annotation rounds on the user's own scans: the benchmark's loop, with people in the place of the oracle."""
