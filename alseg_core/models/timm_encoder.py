"""Image encoders of timm, a collection of published models; the only module that imports it.

R. Wightman, PyTorch Image Models, doi 10.5281/zenodo.4414861. The collection is licensed under Apache-2.0. Weights have
licences of their own: those of DINOv2 are Apache-2.0 too, others forbid commercial use.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from alseg_core.errors import ConfigError, MissingPackageError, shown, some
from alseg_core.models.weights import UNREADABLE

AUTO, RANDOM = "auto", "random"
Layer = Literal["pool", "cls"]
"""Vector of an image: "pool", the model's own pooled features before its classifier, or "cls", its class token."""
FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of a file of weights in a repository of timm's, in the order of preference."""
INSTALL = 'pip install -c constraints.txt -e ".[vision]" in the folder of alseg'
"""Command that installs timm and what it needs."""
REACHED_IN = 10.0
"""Seconds within which the server of the weights must answer."""


class TimmEncoder(nn.Module):
    """Colour images (B, 3, image_size, image_size) in [0, 1] -> features (B, D).

    Images are scaled as those that the model was trained on: less its mean, divided by its standard deviation, channel
    by channel.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, layer: Layer) -> None:
        super().__init__()
        self.network, self.layer = network, layer
        scale = _timm().data.resolve_model_data_config(network)
        self.register_buffer("mean", torch.tensor(scale["mean"]).view(1, -1, 1, 1))
        self.register_buffer("deviation", torch.tensor(scale["std"]).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, image_size, image_size) -> (B, D)."""
        network: Any = self.network
        features = network.forward_features((images - self.mean) / self.deviation)
        found: Tensor = features[:, 0] if self.layer == "cls" else network.forward_head(features, pre_logits=True)
        return found


def version() -> str:
    """Return the version of timm. Raises MissingPackageError without it."""
    found: str = _timm().__version__
    return found


def licence(model: str) -> str | None:
    """Return the licence of the published weights of ``model``, None if timm names none."""
    found: str | None = _published(model).license
    return found


def check_name(model: str) -> None:
    """Raise ConfigError unless ``model`` is an architecture of timm, with or without a tag of its weights."""
    timm = _timm()
    known = {*timm.list_models(), *timm.list_pretrained()}
    if model not in known:
        near = difflib.get_close_matches(model[:100], sorted(known), n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ConfigError(
            f"unknown model {shown(model)} of timm {timm.__version__}.{hint} It has {len(known):,}; "
            "timm.list_pretrained('*dinov2*') in Python lists those whose name has a part."
        )


def file_of(model: str, weights: str) -> Path:
    """Return the file of ``weights`` for ``model``: a path as it is, or for "auto" the published one.

    The latter is downloaded to Hugging Face's cache unless it is there. Raises ConfigError: no such file, none
    published, or no connection.
    """
    if weights != AUTO:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise ConfigError(
                f"embed: weights of {model} wanted from {weights}, no such file. Give the path of a .safetensors, .pth "
                "or .bin file as weights, auto for the published ones, or random."
            )
        return path
    cfg, hub = _published(model), _hub()
    if not cfg.hf_hub_id:
        others = [name for name in _timm().list_pretrained(f"{model}.*") if name != model]
        other = f" Models of this architecture that have: {some(others)}." if others else ""
        where = f" {cfg.url} may have them: download it and set weights: FILE." if cfg.url else ""
        raise ConfigError(
            f"embed: timm has no repository with weights of {model}.{where}{other} Or set weights: random."
        )
    names = (cfg.hf_hub_filename,) if cfg.hf_hub_filename else FILES
    for name in names:
        cached = hub.try_to_load_from_cache(cfg.hf_hub_id, name)
        if isinstance(cached, str):
            return Path(cached)
    return _download(model, cfg.hf_hub_id, names)


def build(model: str, image_size: int, layer: Layer, path: Path | None) -> TimmEncoder:
    """Return an encoder in evaluation mode, with the weights of the file ``path``, or random ones if it is None.

    Vision transformers are built for ``image_size``; timm resamples the position embeddings of a file to it. A file may
    lack the classifier, and have timm's names or those of the authors, if timm converts them. It is read without
    running code in it. Random weights come from torch's global generator.

    Raises ConfigError: unknown model, a size or layer that it does not have, or a file that does not fit it.
    """
    check_name(model)
    network = _made(model, image_size) if path is None else _loaded(model, image_size, path)
    encoder = TimmEncoder(network.eval(), layer)
    _check_layer(encoder, model)
    _check_size(encoder, model, image_size)
    return encoder


def _timm() -> Any:
    try:
        return importlib.import_module("timm")
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision whose operators torch cannot load
        if isinstance(error, ModuleNotFoundError) and error.name == "timm":
            raise MissingPackageError(f"embeddings of published models need timm: {INSTALL}.") from None
        reason = " ".join(str(error).split())[:200]
        raise MissingPackageError(
            f"timm is installed and cannot be imported: {reason}. If this is about torchvision: it has to be of the "
            f"build of torch, which is {torch.__version__} here. {_torchvision()}"
        ) from None


def _torchvision() -> str:
    """Return how to install the torchvision that fits, without touching torch."""
    build = torch.__version__.partition("+")[2]
    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    return f"Try: pip install --force-reinstall --no-deps torchvision -c constraints.txt{index}."


def _hub() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise MissingPackageError(f"downloads of weights need huggingface_hub: {INSTALL}.") from None


def _published(model: str) -> Any:
    """Return what timm knows of the weights of ``model``."""
    return _timm().get_pretrained_cfg(model)


def _download(model: str, repository: str, names: tuple[str, ...]) -> Path:
    """Download the first file that the repository has. Raises ConfigError: no connection, no such file."""
    hub = _hub()
    url = hub.hf_hub_url(repository, names[0])
    reason = "it has no such file"
    for name in names:
        try:
            # one request, where hf_hub_download would repeat it for a minute without a connection
            hub.get_hf_file_metadata(hub.hf_hub_url(repository, name), timeout=REACHED_IN)
            return Path(hub.hf_hub_download(repository, name))
        except hub.errors.RemoteEntryNotFoundError:
            continue
        except Exception as error:  # of the HTTP library, of the file system, or of the server: no common base
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            break
    raise ConfigError(
        f"embed: weights of {model} wanted from {url}, not reachable: {reason}. Download this file where there is a "
        "connection and set weights: FILE, or weights: random."
    )


def _made(model: str, image_size: int, **how: Any) -> Any:
    """Create a model of timm for an image size. Raises ConfigError: not for this size."""
    fixed = {"img_size": image_size} if _published(model).fixed_input_size else {}
    try:
        with torch.device("cpu"):
            return _timm().create_model(model, **fixed, **how)
    except (AssertionError, ValueError, TypeError) as error:
        if how:  # of the weights, which the caller knows
            raise
        raise _wrong_size(model, image_size, error) from None


def _loaded(model: str, image_size: int, path: Path) -> Any:
    """Create a model with the weights of a file. Raises ConfigError unless they are all of its, and no others."""
    _made(model, image_size)  # so that what fails next is about the file
    try:
        state = _read(path)
        try:
            return _made(model, image_size, **_from(state))
        except UNREADABLE as error:
            try:
                return _made(model, image_size, **_from(state, num_classes=0, label_offset=0), num_classes=0)
            except UNREADABLE:
                raise error from None
    except UNREADABLE as error:
        raise ConfigError(
            f"embed: weights of {model} wanted from {path}, not usable: {_brief(error)}. Give the path of a "
            ".safetensors, .pth or .bin file with the state_dict of this model as weights, auto for the published "
            "ones, or random."
        ) from None


def _read(path: Path) -> dict[str, Tensor]:
    """Read a state_dict. Raises ValueError: a file with none, or with other objects than tensors, which may be code."""
    safetensors: Any = importlib.import_module("safetensors")
    try:
        state = _timm().models.load_state_dict(str(path), weights_only=True)
    except (*UNREADABLE, safetensors.SafetensorError) as error:
        code = "weights_only" in str(error)
        reason = "other objects than tensors are not loaded, for they may be code" if code else _brief(error)
        raise ValueError(f"no weights can be read from it ({reason})") from None
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError("it holds no state_dict (parameter name -> tensor)")  # timm would download one instead
    return dict(state)


def _from(state: dict[str, Tensor], **changes: int) -> dict[str, Any]:
    """Return the arguments with which timm takes weights from a state_dict, strictly."""
    return {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": dict(state), **changes}}


def _brief(error: BaseException) -> str:
    """Return an error in one line; of a state_dict that does not fit, some names of each kind."""
    lines = str(error).splitlines()
    if not lines or "loading state_dict" not in lines[0]:
        text = " ".join(str(error).split())[:300].rstrip(".")
        return f"{type(error).__name__} {text}" if isinstance(error, KeyError) or not text else text
    kinds = {"Missing key": "missing", "Unexpected key": "unexpected"}
    parts, shapes = [], []
    for line in map(str.strip, lines[1:]):
        kind = next((said for start, said in kinds.items() if line.startswith(start)), None)
        if kind is not None:
            names = re.findall(r'"([^"]+)"', line)
            parts.append(f"{kind} {some(names, 3)}")
        elif match := re.match(r"size mismatch for ([^:]+):", line):
            shapes.append(match[1])
    return "; ".join([*parts, *([f"other shape {some(shapes, 3)}"] if shapes else [])])


def _check_layer(encoder: TimmEncoder, model: str) -> None:
    if encoder.layer == "cls" and getattr(encoder.network, "cls_token", None) is None:
        raise ConfigError(f"embed: {model} has no class token, which layer: cls wants. Set layer: pool.")


def _check_size(encoder: TimmEncoder, model: str, image_size: int) -> None:
    """Raise ConfigError unless an image of this size gives a vector."""
    patch = getattr(getattr(encoder.network, "patch_embed", None), "patch_size", None)
    for side in patch if isinstance(patch, tuple) else ():
        if image_size % side:  # timm would leave out the last rows and columns in silence
            below = image_size // side * side
            near = f"{below} or {below + side}" if below else f"{side}"
            raise ConfigError(
                f"embed: image_size {image_size} is no multiple of {side}, the size of the patches of {model}. "
                f"Set image_size: {near}."
            )
    try:
        with torch.no_grad():
            found = encoder(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
        raise _wrong_size(model, image_size, error) from None
    if found.ndim != 2:
        raise ConfigError(f"embed: {model} gives features of shape {tuple(found.shape)} for an image, not a vector.")


def _wrong_size(model: str, image_size: int, error: BaseException) -> ConfigError:
    own = _published(model).input_size[-1]
    reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
    return ConfigError(f"embed: {model} takes no images of image_size {image_size}: {reason}. Its own size is {own}.")
