"""Tuning of a recipe: Optuna proposes settings, Ray runs them, validation volumes judge them."""
