"""A pool whose frame is shuffled and whose labels are scattered: where index mistakes show."""

from __future__ import annotations

from alseg_core.strategies.conformance import SyntheticReferenceView

make_view = SyntheticReferenceView.make
