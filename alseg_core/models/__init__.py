"""Networks. Segmentation networks are built by components, so that a configuration names them."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from alseg_core.models.module import SegmentationModule
from alseg_core.models.unet import UNet, UNetDual, UNetModule
from alseg_core.models.unet3d import UNet3D
from alseg_core.models.unet_resnet import UNetResNet50
from alseg_core.registry import Registry


@runtime_checkable
class Network(Protocol):
    """Component that builds a segmentation network.

    heads: how many outputs its training gives. volumetric: it takes whole volumes; see :class:`SegmentationModule`.
    """

    heads: ClassVar[int]
    volumetric: ClassVar[bool]

    @property
    def divisor(self) -> int:
        """Rows and columns of an image are multiples of this."""
        ...

    def start(self) -> str:
        """What its weights start from: "random", or a file with its digest. Raises ConfigError: no such weights."""
        ...

    def build(self, channels: int, classes: int) -> SegmentationModule:
        """Network for images of so many channels and so many classes, its weights as :meth:`start` says."""
        ...


NETWORKS: Registry[Network] = Registry(
    "network", {"unet": UNet, "unet_dual": UNetDual, "unet_resnet50": UNetResNet50, "unet3d": UNet3D}, Network
)

__all__ = ["NETWORKS", "Network", "SegmentationModule", "UNetModule"]
