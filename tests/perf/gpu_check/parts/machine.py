"""Versions, and what the device can do at most."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch

from alseg_core.provenance import surroundings
from ceilings import Ceilings, measured
from gpu_check.answer import Answer


def found() -> Iterator[Answer]:
    """Answer whether torch can use a GPU."""
    yield Answer("device", unit="text", note="cuda" if torch.cuda.is_available() else "cpu")


def versions(device: str) -> Iterator[Answer]:
    """Name the code, the packages and the device."""
    facts = surroundings(device)
    packages = facts.pop("packages")
    for name, version in {**facts, **packages}.items():
        yield Answer(name, unit="text", note=str(version))
    yield Answer("CUDA of torch", unit="text", note=str(torch.version.cuda))
    if torch.device(device).type == "cuda":
        card = torch.cuda.get_device_properties(device)
        yield Answer("cuDNN", unit="text", note=str(torch.backends.cudnn.version()))
        yield Answer("compute capability", unit="text", note=f"{card.major}.{card.minor}")
        yield Answer("multiprocessors", unit="text", note=str(card.multi_processor_count))
        yield Answer("memory", unit="text", note=f"{card.total_memory / 1e9:.0f} GB")
        yield Answer("bfloat16", unit="text", note=str(torch.cuda.is_bf16_supported(including_emulation=False)))


def ceilings(device: str, short: bool) -> Iterator[Answer]:
    """Measure the bandwidth and the rates of matrix products, as values of bytes and operations a second."""
    for name, rate in dataclasses.asdict(measured(device, short)).items():
        if rate is not None:
            yield Answer(name, unit="text", value=rate, note=f"{rate / 1e9:,.0f} G{_unit(name)}/s")


def _unit(name: str) -> str:
    return {"copy": "B", "read": "B"}.get(name, "FLOP")


def as_ceilings(answers: tuple[Answer, ...]) -> Ceilings:
    """Return what :func:`ceilings` measured. Raises TypeError where some are missing."""
    return Ceilings(**{answer.what: answer.value for answer in answers})  # type: ignore[arg-type]
