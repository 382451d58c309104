"""Conformance suite of networks, for those of this package and for your own.

Each function in :data:`CHECKS` takes a network component and raises AssertionError with a description of the first
fault; with pytest:

    @pytest.mark.parametrize("check", CHECKS)
    def test_mine(check):
        check(Mine())

Give a large network small settings (``Mine(widths=(4, 8))``): the suite builds it about 20 times, for images of two and
three times its divisor; a volumetric one for at least 16 rows and columns and volumes of twice its window. A network
that is planned for data (:class:`alseg_core.models.PlannedNetwork`) is given as planned.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import torch
from torch import Tensor, nn

from alseg_core.conformance import demand, global_seeds, pickled
from alseg_core.errors import ConfigError
from alseg_core.models import Network, SegmentationModule
from alseg_core.models.folding import folded
from alseg_core.seeding import torch_seeded

SHAPES: tuple[tuple[int, int, int, int, int], ...] = ((1, 2, 2, 2, 2), (3, 4, 3, 2, 3), (1, 5, 1, 3, 2))
"""Channels, classes, slices, and rows and columns in multiples of the divisor."""


def _build(network: Network, channels: int, classes: int, seed: int = 0) -> SegmentationModule:
    """Build the network for the CPU with weights drawn from ``seed``."""
    with torch_seeded(seed):
        module = network.build(channels, classes)
    demand(isinstance(module, SegmentationModule), network, f"builds a {type(module).__name__}, no SegmentationModule.")
    return module.placed("cpu")


LEAST = 8
"""Fewest rows and columns of images are twice this number for a volumetric network, which may pad what it gets."""


def _images(network: Network, channels: int, count: int, rows: int = 2, columns: int = 2) -> Tensor:
    """Random images (B, C, H, W); rows and columns in multiples of the divisor, or of a multiple of it."""
    step = network.divisor
    if network.volumetric:
        step *= -(-LEAST // step)
    return torch.randn(
        (count, channels, rows * step, columns * step), generator=torch.Generator().manual_seed(count + channels)
    )


@torch.no_grad()
def _predict(network: Network, module: SegmentationModule, images: Tensor) -> Tensor:
    """Logits in evaluation mode, as float32."""
    try:
        logits: Tensor = module.eval()(images)
    except Exception as error:
        shape = tuple(images.shape)
        raise AssertionError(
            f"{type(network).__name__} failed on images {shape}: {type(error).__name__}: {error}"
        ) from error
    return logits


def logits_of_every_pixel(network: Network) -> None:
    """It gives finite float32 logits (B, K, H, W) for all channels, classes and sizes that are multiples of divisor."""
    for channels, classes, count, rows, columns in SHAPES:
        images = _images(network, channels, count, rows, columns)
        logits = _predict(network, _build(network, channels, classes), images)
        wanted = (count, classes, *images.shape[2:])
        demand(tuple(logits.shape) == wanted, network, f"gives logits {tuple(logits.shape)}; {wanted} was wanted.")
        demand(logits.dtype == torch.float32, network, f"gives logits of type {logits.dtype}; use float32.")
        demand(
            bool(logits.isfinite().all()),
            network,
            f"gives logits that are not finite for images {tuple(images.shape)}.",
        )


def as_many_heads_as_declared(network: Network) -> None:
    """In training it gives ``heads`` outputs of the shape of the logits; in evaluation the first is the prediction."""
    module, images = _build(network, 1, 3), _images(network, 1, 2)
    outputs = module.train().heads(images)
    fine = isinstance(outputs, tuple) and len(outputs) == network.heads
    demand(fine, network, f"declares heads = {network.heads} and gives {len(outputs)}.")
    wanted = (2, 3, *images.shape[2:])
    shapes = [tuple(output.shape) for output in outputs]
    demand(shapes == [wanted] * len(shapes), network, f"gives heads of shapes {shapes}; {wanted} each was wanted.")
    prediction = _predict(network, module, images)
    with torch.no_grad():
        main = module.heads(images)[0]
    demand(torch.allclose(main, prediction, atol=1e-5), network, "predicts otherwise than its first head.")


def heads_at_every_scale(network: Network) -> None:
    """In training it gives ``heads`` outputs of the shape of the logits at every scale, the first being the heads."""
    module, images = _build(network, 1, 3).train(), _images(network, 1, 2)
    wanted = [(2, 3, *images.shape[2:])] * network.heads
    found = [[tuple(output.shape) for output in outputs] for outputs in module.scales(images)]
    demand(bool(found), network, "gives no scale.")
    for shapes in found:
        demand(shapes == wanted, network, f"gives a scale with outputs of shapes {shapes}; {wanted} was wanted.")
    module.eval()
    with torch.no_grad():
        pairs = zip(module.scales(images)[0], module.heads(images), strict=True)
        same = all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)
    demand(same, network, "gives other heads in its first scale than in heads().")


def gradients_reach_all_weights(network: Network) -> None:
    """A step of training on all heads and scales gives every weight a finite gradient that is not zero."""
    module, images = _build(network, 1, 3).train(), _images(network, 1, 4)
    outputs = [output for heads in module.scales(images) for output in heads]
    generator = torch.Generator().manual_seed(0)
    sum((output * torch.randn(output.shape, generator=generator)).sum() for output in outputs).backward()  # type: ignore[union-attr]
    for name, weight in module.named_parameters():
        demand(weight.grad is not None, network, f"has a weight that no head depends on: {name}.")
        assert weight.grad is not None
        demand(bool(weight.grad.isfinite().all()), network, f"has a gradient that is not finite: {name}.")
        demand(bool(weight.grad.any()), network, f"has a weight whose gradient is zero: {name}.")


def deterministic_in_evaluation(network: Network) -> None:
    """In evaluation mode it gives the same logits again, and neither uses nor changes a global random state."""
    module, images, found = _build(network, 1, 3), _images(network, 1, 2), []
    for seed in (1, 2):
        with global_seeds(seed, network):
            found.append(_predict(network, module, images))
    demand(torch.equal(*found), network, "gives other logits when called again in evaluation mode.")


def slices_alone_or_volumes(network: Network) -> None:
    """It predicts each slice on its own, or, if volumetric, volumes of any depth; its module's ``window`` agrees."""
    module = _build(network, 1, 3)
    window = module.window
    demand(
        network.volumetric == (window is not None),
        network,
        f"declares volumetric = {network.volumetric} and builds a module with window = {window}.",
    )
    if window is not None:
        for depth in (1, window, window + 1):
            logits = _predict(network, module, _images(network, 1, depth))
            demand(len(logits) == depth, network, f"gives {len(logits)} slices for a volume of {depth}.")
        return
    images = _images(network, 1, 3)
    together = _predict(network, module, images)
    alone = torch.cat([_predict(network, module, image[None]) for image in images])
    close = torch.allclose(together, alone, rtol=1e-3, atol=1e-4)
    demand(close, network, "predicts a slice otherwise in another batch; in evaluation slices are independent.")


def weights_from_the_seed(network: Network) -> None:
    """Its start is a text; random weights follow torch's global generator: one seed, one network."""
    demand(isinstance(network.start(), str), network, "gives a start that is no text.")
    states = [_build(network, 1, 3, seed).state_dict() for seed in (1, 1, 2)]
    same = [all(torch.equal(states[0][name], state[name]) for name in states[0]) for state in states[1:]]
    demand(same[0], network, "draws other weights from the same seed.")
    demand(not same[1] or network.start() != "random", network, "draws the same weights from another seed.")


def state_dict_round_trip(network: Network) -> None:
    """A network of the same settings predicts the same once it has the saved weights."""
    module, other, images = _build(network, 1, 3, 1), _build(network, 1, 3, 2), _images(network, 1, 2)
    with torch_seeded(0):
        module.train().heads(images)  # running statistics belong to the state, too
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    same = torch.equal(_predict(network, module, images), _predict(network, other, images))
    demand(same, network, "predicts otherwise with the weights it saved; all that it learns belongs in state_dict.")


def same_when_folded(network: Network) -> None:
    """Inference folds batch norms into convolutions, which changes no logit beyond rounding."""
    module, images = _build(network, 1, 3), _images(network, 1, 2)
    plain, fast = _predict(network, module, images), _predict(network, folded(module), images)
    close = torch.allclose(plain, fast, rtol=1e-3, atol=1e-3 * float(plain.abs().max()))
    demand(close, network, "predicts otherwise once its batch norms are folded (alseg_core.models.folding).")


def features_of_volumes_of_any_depth(network: Network) -> None:
    """A volumetric network gives finite features of every slice and pixel of volumes of any depth, or refuses them.

    The logits beside them are those that it predicts.
    """
    module = _build(network, 1, 3).eval()
    if module.window is None:
        return
    for depth in (1, module.window, module.window + 1, 2 * module.window + 3):
        images = _images(network, 1, depth)
        with torch.no_grad():
            try:
                features = module.features(images)
                logits, maps = module.pixel_features(images)
            except ConfigError:
                return
            shapes = [len(features), len(logits), len(maps)]
            demand(shapes == [depth] * 3, network, f"gives features of {shapes} slices for a volume of {depth}.")
            finite = bool(features.isfinite().all() and maps.isfinite().all())
            demand(finite, network, f"gives features that are not finite for a volume of {depth} slices.")
            close = torch.allclose(logits, module(images), atol=1e-4)
            demand(close, network, f"returns different logits with pixel features of a volume of {depth} slices.")


def dropout_of_single_numbers(network: Network) -> None:
    """Its dropout modules drop numbers (``nn.Dropout``), not channels, which dropout passes could not replace."""
    dropped = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
    found = {type(part).__name__ for part in _build(network, 1, 3).modules() if isinstance(part, dropped)}
    demand(
        not found,
        network,
        f"has {', '.join(sorted(found))}, which dropout passes leave out; use nn.Dropout, or the functional form for "
        "what belongs to training alone.",
    )


def features_or_a_clear_refusal(network: Network) -> None:
    """It gives features of slices (B, D) and of pixels (B, D, H, W), or raises ConfigError that it has none."""
    module, images = _build(network, 1, 3).eval(), _images(network, 1, 2)
    with torch.no_grad():
        try:
            features = module.features(images)
            demand(features.ndim == 2 and len(features) == 2, network, f"gives features {tuple(features.shape)}.")
        except ConfigError:
            pass
        try:
            logits, maps = module.pixel_features(images)
        except ConfigError:
            return
        fine = maps.ndim == 4 and len(maps) == 2 and maps.shape[2:] == images.shape[2:]
        demand(fine, network, f"gives pixel features {tuple(maps.shape)} for images {tuple(images.shape)}.")
        close = torch.allclose(logits, module(images), atol=1e-5)
        demand(close, network, "returns different logits when pixel features are requested.")


def survives_pickling(network: Network) -> None:
    """A pickled copy, as a worker process gets it, builds the same network."""
    states = [_build(one, 1, 3).state_dict() for one in (network, pickled(network))]
    same = states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    demand(same, network, "builds another network after pickling.")


Check = Callable[[Network], None]

CHECKS: tuple[Check, ...] = (
    logits_of_every_pixel,
    as_many_heads_as_declared,
    heads_at_every_scale,
    gradients_reach_all_weights,
    deterministic_in_evaluation,
    slices_alone_or_volumes,
    weights_from_the_seed,
    state_dict_round_trip,
    same_when_folded,
    features_or_a_clear_refusal,
    features_of_volumes_of_any_depth,
    dropout_of_single_numbers,
    survives_pickling,
)
"""Checks of every network."""


def check(network: Network) -> None:
    """Run all checks. Raises AssertionError for the first fault."""
    for one in CHECKS:
        one(network)
