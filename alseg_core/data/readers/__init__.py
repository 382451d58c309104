"""Readers of datasets: each has a file of its own, and an import and a line here."""

from __future__ import annotations

from alseg_core.data.readers.acdc import Acdc
from alseg_core.data.readers.chaos import Chaos
from alseg_core.data.readers.davis import Davis
from alseg_core.data.readers.mscmr import Mscmr
from alseg_core.data.readers.nifti_folder import NiftiFolder
from alseg_core.data.readers.phantom import Phantom
from alseg_core.data.readers.reader import CaseRef, Reader
from alseg_core.data.readers.wsl4mis_h5 import Wsl4misH5
from alseg_core.registry import Registry

READERS: Registry[Reader] = Registry(
    "reader",
    {
        "acdc": Acdc,
        "chaos": Chaos,
        "davis": Davis,
        "mscmr": Mscmr,
        "nifti_folder": NiftiFolder,
        "phantom": Phantom,
        "wsl4mis_h5": Wsl4misH5,
    },
    Reader,
)

__all__ = ["READERS", "CaseRef", "Reader"]
