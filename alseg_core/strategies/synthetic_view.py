"""A synthetic pool for testing query strategies: the view of a run over plain arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from alseg_core.data.slices import SliceTable
from alseg_core.errors import ConfigError
from alseg_core.geometry.symmetries import SQUARE
from alseg_core.vocabulary import FloatArray, IntArray, LabelArray

if TYPE_CHECKING:  # this module is imported without waiting for torch
    from typing import Self

    from torch import Tensor

CHUNK = 4
"""Slices in a chunk of predictions; fewer than in a run, so that every pool has several chunks."""


@dataclass(eq=False)
class SyntheticView:
    """A :class:`alseg_core.strategies.View` over arrays; positions are shuffled over volumes and z."""

    table: SliceTable
    """Patient, volume and z of every slice."""
    labelled: IntArray
    """(L,) annotated positions by volume and z; their rows of ``masks`` count as bought."""
    pixels: np.ndarray
    """(N, C, H, W) float32 images."""
    features: np.ndarray
    """(N, D) float32 embedding."""
    members: np.ndarray
    """(M, N, K, H, W) float32 class probabilities of each member of the ensemble."""
    dropout: np.ndarray
    """(T, N, K, H, W) float32 class probabilities; dropout pass t is t modulo T."""
    turned: np.ndarray
    """(8, N, K, H, W) float32 class probabilities under each symmetry of a square, turned back."""
    maps: np.ndarray
    """(N, D, H, W) float32 pixel features."""
    masks: LabelArray
    """(N, H, W) uint8 ground truth."""
    classes: int
    """Number of classes, background included."""
    round: int = 1
    """Round, 0-based."""
    rounds: int = 4
    """Number of rounds."""
    device: str = "cpu"
    """Torch device."""
    has_embedding: bool = True
    """Whether the run has an embedding; if not, asking for one raises ConfigError."""
    has_networks: bool = True
    """Whether networks have been trained; if not, asking for predictions raises ConfigError."""

    @classmethod
    def make(
        cls,
        depths: tuple[int, ...] = (5, 1, 7, 4, 6),
        labelled: int = 6,
        seed: int = 0,
        *,
        size: int = 16,
        channels: int = 1,
        classes: int = 3,
        members: int = 3,
    ) -> Self:
        """Make volumes of the given depths, two per patient, in shuffled order, ``labelled`` random slices annotated.

        A third of the slices hold foreground. Features, predictions and masks are random and independent.
        """
        rng = np.random.default_rng(seed)
        n = sum(depths)
        shuffle = rng.permutation(n)
        table = SliceTable(
            cases=tuple(f"case{i}" for i in range(len(depths))),
            patients=tuple(f"patient{i // 2}" for i in range(len(depths))),
            volume=np.repeat(np.arange(len(depths)), depths)[shuffle].astype(np.int64),
            z=np.concatenate([np.arange(d) for d in depths])[shuffle].astype(np.int64),
        )
        masks = np.zeros((n, size, size), dtype=np.uint8)
        for i in rng.permutation(n)[: n // 3]:
            masks[i, 2:6, 2:6] = rng.integers(1, classes)
        return cls(
            table=table,
            labelled=_listed(table, rng.permutation(n)[:labelled]),
            pixels=rng.random((n, channels, size, size), dtype=np.float32),
            features=rng.normal(size=(n, 5)).astype(np.float32),
            members=_probabilities(rng.normal(0, 2, (members, n, classes, size, size))),
            dropout=_probabilities(rng.normal(0, 2, (4, n, classes, size, size))),
            maps=rng.normal(size=(n, 4, size, size)).astype(np.float32),
            turned=_probabilities(rng.normal(0, 2, (SQUARE, n, classes, size, size))),
            masks=masks,
            classes=classes,
            round=1 if labelled else 0,
            has_networks=labelled > 0,
        )

    def renumbered(self, order: IntArray) -> Self:
        """Return the same pool with its positions renumbered: the slice at ``order[i]`` goes to position i."""
        number = np.argsort(order)
        table = replace(self.table, volume=self.table.volume[order], z=self.table.z[order])
        return replace(
            self,
            table=table,
            labelled=_listed(table, number[self.labelled]),
            pixels=self.pixels[order],
            features=self.features[order],
            members=self.members[:, order],
            dropout=self.dropout[:, order],
            turned=self.turned[:, order],
            maps=self.maps[order],
            masks=self.masks[order],
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array behind the view, by name."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v for k, v in own.items() if isinstance(v, np.ndarray)} | {
            "table.volume": self.table.volume,
            "table.z": self.table.z,
        }

    @property
    def unlabelled(self) -> IntArray:
        """(U,) positions not annotated yet, by volume and z; read-only."""
        positions = _listed(self.table, np.setdiff1d(np.arange(len(self.table)), self.labelled))
        positions.flags.writeable = False
        return positions

    def images(self, positions: IntArray) -> np.ndarray:
        """(B, C, H, W) float32 network input of the given slices."""
        return self.pixels[positions]

    def embedding(self) -> FloatArray:
        """(N, D) float32 feature vector of every slice."""
        if not self.has_embedding:
            raise ConfigError("a strategy that works on an embedding sets needs_embedding = True.")
        return self.features

    def bought(self) -> tuple[IntArray, LabelArray]:
        """Positions (L,) in the order of buying, which differs from ``labelled``, and their labels (L, H, W)."""
        positions = self.labelled[::-1].copy()
        return positions, self.masks[positions]

    def member_probabilities(self, positions: IntArray) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the class probabilities of every member."""
        for chunk in self._chunks(positions):
            yield chunk, (_inference(member[chunk]) for member in self.members)

    def dropout_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the class probabilities of every dropout pass; a chunk takes one draw."""
        for chunk in self._chunks(positions):
            rng.integers(0, 2**63 - 1)
            yield chunk, (_inference(self.dropout[t % len(self.dropout)][chunk]) for t in range(passes))

    def tta_probabilities(
        self, positions: IntArray, passes: int, rng: np.random.Generator
    ) -> Iterator[tuple[IntArray, Iterator[Tensor]]]:
        """Chunks of positions, each with the class probabilities under the same drawn symmetries."""
        drawn = np.sort(rng.permutation(len(self.turned))[:passes])
        for chunk in self._chunks(positions):
            yield chunk, (_inference(self.turned[t][chunk]) for t in drawn)

    def pixel_features(self, positions: IntArray) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
        """Chunks of positions with the first member's probabilities and its pixel features."""
        for chunk in self._chunks(positions):
            yield chunk, _inference(self.members[0][chunk]), _inference(self.maps[chunk])

    def _chunks(self, positions: IntArray) -> Iterator[IntArray]:
        if not self.has_networks:
            raise ConfigError("no network has been trained yet; a strategy that needs one sets needs_model = True.")
        for start in range(0, len(positions), CHUNK):
            yield positions[start : start + CHUNK]


class SyntheticReferenceView(SyntheticView):
    """The synthetic view of an ``oracle_*`` reference."""

    def ground_truth(self) -> LabelArray:
        """(N, H, W) uint8 masks of all slices."""
        return self.masks


def _listed(table: SliceTable, positions: IntArray) -> IntArray:
    """Sort positions by volume and z."""
    return positions[np.lexsort((table.z[positions], table.volume[positions]))].astype(np.int64)


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over axis 2, float32."""
    grown = np.exp(logits - logits.max(axis=2, keepdims=True))
    probabilities: np.ndarray = grown / grown.sum(axis=2, keepdims=True)
    return probabilities.astype(np.float32)


def _inference(values: np.ndarray) -> Tensor:
    """Return a copy as networks give it: an inference tensor, without gradient, that refuses in-place changes."""
    import torch

    with torch.inference_mode():
        return torch.from_numpy(np.ascontiguousarray(values)).clone()
