"""A pool whose frame is shuffled and whose labels are scattered, so that mistakes of indices show."""

from __future__ import annotations

from alseg_core.strategies.synthetic_view import SyntheticReferenceView

make_view = SyntheticReferenceView.make
