"""Scores of predictions and uncertainties of probabilities: arrays in, numbers out."""
