"""The method as a plain script would write it: the baseline against which the package is timed and checked."""
