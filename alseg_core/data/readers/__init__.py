"""Datasets: one file a reader, an import and one line here."""

from __future__ import annotations

from alseg_core.data.readers.acdc import Acdc
from alseg_core.data.readers.phantom import Phantom
from alseg_core.data.readers.reader import CaseRef, Reader
from alseg_core.registry import Registry

READERS: Registry[Reader] = Registry("reader", {"acdc": Acdc, "phantom": Phantom})

__all__ = ["READERS", "CaseRef", "Reader"]
