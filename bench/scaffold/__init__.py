"""Files to start from: a strategy of one's own, a dataset of one's own."""
