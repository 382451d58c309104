"""Networks. Segmentation networks are built by components, which a configuration names."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from alseg_core.models.module import SegmentationModule
from alseg_core.models.unet import UNet, UNetDual, UNetModule
from alseg_core.models.unet3d import UNet3D
from alseg_core.models.unet_resnet import UNetResNet50
from alseg_core.registry import Registry


@runtime_checkable
class Network(Protocol):
    """Component that builds a segmentation network."""

    heads: ClassVar[int]
    """Number of outputs in training."""
    volumetric: ClassVar[bool]
    """Whether it takes whole volumes; see :class:`SegmentationModule`."""

    @property
    def divisor(self) -> int:
        """Factor that rows and columns of an image must be multiples of."""
        ...

    def start(self) -> str:
        """Return the source of the initial weights: "random", or a file with its digest.

        Raises ConfigError if the weights are unavailable.
        """
        ...

    def build(self, channels: int, classes: int) -> SegmentationModule:
        """Build the network for this many image channels and classes, with weights as in :meth:`start`."""
        ...


NETWORKS: Registry[Network] = Registry(
    "network", {"unet": UNet, "unet_dual": UNetDual, "unet_resnet50": UNetResNet50, "unet3d": UNet3D}, Network
)

__all__ = ["NETWORKS", "Network", "SegmentationModule", "UNetModule"]
