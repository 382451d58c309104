"""The fingerprint of a run, made again from what a bundle holds, whatever the version that reads it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from alseg_core.config import RunConfig
from alseg_core.errors import AlsegError
from alseg_core.store import digest
from bench.bundle.manifest import RunNote


def note_of(config: Mapping[str, Any], fingerprint: str, originals: dict[str, str]) -> RunNote:
    """Return what to tell of a run beside its files; without formats where this version does not know its fingerprint.

    config: the run's configuration as it is on this machine, with its names and files of weights.
    """
    try:
        loaded = RunConfig.load(config)
    except AlsegError:  # of another version, or of a component that is not there now
        return RunNote(originals=originals)
    formats = {"strategy": loaded.recipe.strategy.format, "train": loaded.train.format}
    note = RunNote(formats=formats, training=loaded.training, originals=originals)
    return note if fingerprint_of(config, note) == fingerprint else RunNote(originals=originals)


def fingerprint_of(config: Mapping[str, Any], note: RunNote) -> str:
    """Return the fingerprint of a configuration, as :attr:`RunConfig.fingerprint` does."""
    described: Any = {**copy.deepcopy(dict(config)), "formats": note.formats}
    train = described["train"] = {**(note.training or {}), **described["train"]}  # with what its settings mean by now
    network = train.get("network")
    if isinstance(network, dict) and network.get("weights") is not None:  # a path in config, its content here
        network["weights"] = ((note.training or {}).get("network") or {}).get("weights")
    for name in ("device", "keep_network"):
        described.pop(name, None)
    for name in ("root", "returned"):
        described["dataset"].pop(name, None)
    return digest(described)


def with_names(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration with names, by pseudonym, in the place of the pseudonyms in its split."""
    named: dict[str, Any] = copy.deepcopy(dict(config))
    split = named["dataset"].get("split")
    if isinstance(split, dict):
        named["dataset"]["split"] = {
            key: [names.get(str(name), name) for name in value] if isinstance(value, list) else value
            for key, value in split.items()
        }
    return named
