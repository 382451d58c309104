"""Networks. Segmentation networks are built by components, which a configuration names."""

from __future__ import annotations

from typing import ClassVar, Protocol, Self, runtime_checkable

from alseg_core.models.dynunet import DynUNet, DynUNetDual
from alseg_core.models.module import SegmentationModule
from alseg_core.models.unet import UNet, UNetDual, UNetModule
from alseg_core.models.unet3d import UNet3D, UNet3DDual
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


@runtime_checkable
class PlannedNetwork(Network, Protocol):
    """Network component that depends on the geometry of the volumes; a run fills it in before anything is built."""

    def for_volumes(self, spacing_mm: tuple[float, float, float], shape: tuple[int, int, int]) -> Self:
        """Return the component for volumes of this spacing (z, y, x) in mm and this many slices, rows and columns."""
        ...


NETWORKS: Registry[Network] = Registry(
    "network",
    {
        "unet": UNet,
        "unet_dual": UNetDual,
        "unet_resnet50": UNetResNet50,
        "unet3d": UNet3D,
        "unet3d_dual": UNet3DDual,
        "dynunet": DynUNet,
        "dynunet_dual": DynUNetDual,
    },
    Network,
)

__all__ = ["NETWORKS", "Network", "PlannedNetwork", "SegmentationModule", "UNetModule"]
