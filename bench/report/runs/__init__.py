"""Run folders read back: found, validated, kept apart where they must not be averaged, and turned into tables."""
