"""The graph network against the dense matrix that it never forms."""

from __future__ import annotations

import torch
from torch.nn import functional

from alseg_core.models.gcn import GCN, Affinity

torch.set_num_threads(1)


def dense(x: torch.Tensor) -> torch.Tensor:
    """(X X^T - I) with each column divided by its sum, + I."""
    graph = x @ x.T - torch.eye(len(x), dtype=x.dtype)
    return graph / graph.sum(dim=0, keepdim=True) + torch.eye(len(x), dtype=x.dtype)


def points(n: int = 30) -> torch.Tensor:
    """Unit vectors in the positive orthant: every column sum is far above 1."""
    return functional.normalize(torch.rand(n, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64))


def test_products_equal_those_of_the_dense_matrix() -> None:
    x = points()
    h = torch.randn(30, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(Affinity(x) @ h, dense(x) @ h)


def test_vectors_almost_orthogonal_to_all_others_do_not_blow_up() -> None:
    x = functional.normalize(torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0.7], [-0.49, 0.86, 0], [0.9, -0.1, -0.4]]))
    sums = (x @ x.T).sum(dim=0) - 1
    x[0] = functional.normalize(x[0] - sums[0] * x[1:].sum(dim=0) / x[1:].sum(dim=0).square().sum(), dim=0)
    assert ((x @ x.T).sum(dim=0) - 1).abs().min() < 0.15  # a column whose sum nearly vanishes
    assert (Affinity(x) @ torch.ones(4, 1)).abs().max() < 5 < (dense(x) @ torch.ones(4, 1)).abs().max()


def test_two_convolutions() -> None:
    x = points().float()
    network = GCN(6, 8, dropout=0.3).eval()
    a = dense(x)
    hidden = (a @ x @ network.first.weight.T + network.first.bias).relu()
    logits = (a @ hidden @ network.second.weight.T)[:, 0] + network.bias
    found_logits, found = network(Affinity(x), Affinity(x) @ x)
    torch.testing.assert_close(found, hidden, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found_logits, logits, rtol=1e-4, atol=1e-5)
