"""What another round of annotation would bring: the learning curve so far, extrapolated with its uncertainty."""

from __future__ import annotations

from bench.project.outlook.forecast import Advice, Outlook, Point, outlook

__all__ = ["Advice", "Outlook", "Point", "outlook"]
