"""The folder of a round as annotators get it: what is asked, where, and files that their programs open."""

from __future__ import annotations

from bench.project.exchange.folder import write_round

__all__ = ["write_round"]
