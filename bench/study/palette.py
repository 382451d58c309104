"""Colours of the foreground classes, the same in contact sheets, reports and MLflow."""

CLASS_COLOURS = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00", "#0072B2")
"""Colours of the foreground classes, in order, from the colour-blind safe palette of Okabe and Ito."""
