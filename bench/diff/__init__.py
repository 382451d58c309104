"""Two studies beside one another: what differs, what may be compared, and whether one reproduces the other.

side          a study as its bundle would hold it
pairs         the runs of one recipe on both sides
comparable    what may be compared, and why not
settings      settings that differ, in groups
scores        means of both sides, and their differences
reproduced    picks and scores of runs that both sides have
comparison    all of it, and whether anything that matters differs
terminal      all of it in 80 columns
"""
