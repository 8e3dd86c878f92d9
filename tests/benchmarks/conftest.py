"""Figures, not tests: `pytest tests/benchmarks --benchmark-only`. Nothing here passes or fails by its time."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Measure only when asked to: beside other work the figures would mean nothing."""
    if config.getoption("benchmark_only", default=False):
        return
    reason = "figures: pytest tests/benchmarks --benchmark-only (pytest-benchmark is in the dev extra)"
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.skip(reason=reason))
