from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alseg_core.device.replay import SHAPES, WARM, Replayed, recorder
from alseg_core.errors import AlsegError
from tests.device.emulated import EmulatedGraphs


def descent(graphs: EmulatedGraphs | None, batches: list[Tensor]) -> tuple[list[float], Tensor]:
    """A network with dropout and batch norm that is trained with momentum on the batches."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
    optimiser = torch.optim.SGD(network.parameters(), lr=torch.tensor(0.02), momentum=0.9, fused=True)

    def step(rows: Tensor) -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        loss = (network(rows[:, :3])[:, 0] - rows[:, 3]).square().mean()
        loss.backward()
        optimiser.step()
        return loss.detach()

    replayed = Replayed(step, graphs)
    losses = [float(replayed(rows)) for rows in batches]
    return losses, torch.cat([p.detach().flatten() for p in [*network.parameters(), *network.buffers()]])


def batches(sizes: list[int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 4, generator=generator) for size in sizes]


def test_replayed_steps_do_what_the_steps_do() -> None:
    graphs = EmulatedGraphs()
    rows = batches([6] * 20)
    plain, replayed = descent(None, rows), descent(graphs, rows)
    assert replayed[0] == pytest.approx(plain[0], rel=1e-5) and torch.allclose(plain[1], replayed[1], rtol=1e-4)
    assert graphs.recorded == 1 and graphs.replayed == 20 - WARM


def test_every_set_of_shapes_is_recorded_once_and_only_so_many() -> None:
    graphs = EmulatedGraphs()
    sizes = [size for _ in range(WARM + 3) for size in range(4, 4 + SHAPES + 2)]
    rows = batches(sizes)
    plain, replayed = descent(None, rows), descent(graphs, rows)
    assert replayed[0] == pytest.approx(plain[0], rel=1e-4)
    assert graphs.recorded == SHAPES
    assert graphs.replayed == SHAPES * 3


def test_the_inputs_of_a_call_stay_what_they_were() -> None:
    rows = batches([5] * 8)
    before = [r.clone() for r in rows]
    descent(EmulatedGraphs(), rows)
    assert all(torch.equal(a, b) for a, b in zip(rows, before, strict=True))


def test_a_step_that_asks_the_host_is_an_error_that_says_what_to_do() -> None:
    replayed = Replayed(lambda x: x * x.sum().item(), EmulatedGraphs())
    for i in range(WARM):
        assert replayed(torch.full((2,), float(i))).tolist() == [2.0 * i * i] * 2
    with pytest.raises(AlsegError, match="cannot be captured .* _local_scalar_dense .* Set ALSEG_EAGER=1"):
        replayed(torch.ones(2))


def test_the_cpu_runs_every_step_as_it_is() -> None:
    assert recorder("cpu") is None
    calls = []
    replayed = Replayed(lambda x: calls.append(1) or x, None)
    for _ in range(5):
        replayed(torch.from_numpy(np.ones(2)))
    assert len(calls) == 5
