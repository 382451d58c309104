"""Networks. Segmentation networks are built by components, so that a configuration names them."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from alseg_core.models.unet import UNet, UNetDual, UNetModule
from alseg_core.registry import Registry


@runtime_checkable
class Network(Protocol):
    """Component that builds a segmentation network. heads: how many outputs its training gives."""

    heads: ClassVar[int]

    @property
    def divisor(self) -> int:
        """Rows and columns of an image are multiples of this."""
        ...

    def build(self, channels: int, classes: int) -> UNetModule:
        """Network with freshly drawn weights for images of so many channels and so many classes."""
        ...


NETWORKS: Registry[Network] = Registry("network", {"unet": UNet, "unet_dual": UNetDual})
