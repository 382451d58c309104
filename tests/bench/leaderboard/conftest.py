"""The honest bundle of ``tests/bench/bundle``, and what the leaderboard makes of bundles."""

from __future__ import annotations

from tests.bench.bundle.conftest import honest, honest_study

__all__ = ["honest", "honest_study"]
