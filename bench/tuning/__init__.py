"""Tuning of a recipe: Optuna proposes settings, the launcher runs them, and validation volumes score them."""
