"""Folding of batch norms into the preceding convolutions: the same function in evaluation mode, with less work."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Module = TypeVar("Module", bound=nn.Module)
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def folded(network: Module) -> Module:
    """Return a copy in evaluation mode, equal up to rounding, with batch norms folded into their convolutions.

    A trace of ``forward`` shows which convolution a batch norm follows. The copy keeps all methods of the network and
    does not follow later changes of its weights. A network without batch norm, or that cannot be traced because its
    control flow depends on the input, is copied unchanged.
    """
    network = copy.deepcopy(network).eval()
    if any(isinstance(module, NORMS) for module in network.modules()):
        for convolution, norm in list(_pairs(network)):
            fused = fuse_conv_bn_eval(network.get_submodule(convolution), network.get_submodule(norm))  # type: ignore[type-var, arg-type]
            network.set_submodule(convolution, fused)
            network.set_submodule(norm, nn.Identity().eval())
    return network


def _pairs(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of each convolution that only feeds a batch norm, and of that norm; both are called once."""
    try:
        graph = fx.symbolic_trace(network).graph
    except Exception:  # tracing runs the network's code on proxies, which may raise anything
        return
    modules = dict(network.named_modules())
    called = [node for node in graph.nodes if node.op == "call_module"]
    times = Counter(node.target for node in called)
    once = {node for node in called if times[node.target] == 1}
    for norm in called:
        source = norm.args[0]
        if (
            isinstance(modules[norm.target], NORMS)
            and {norm, source} <= once
            and isinstance(modules[source.target], CONVOLUTIONS)
            and len(source.users) == 1
        ):
            yield source.target, norm.target
