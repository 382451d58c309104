"""Distances and coverings of points: arrays in, arrays out."""
