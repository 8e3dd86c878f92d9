"""Whatever the order of cells, calls, stops, cancels, disconnects, restarts and undo: nothing is lost or doubled.

`AGENTLOOP_INTERLEAVINGS=300` tries so many orders; `AGENTLOOP_FIRST_SEED` says where to begin.
"""

from __future__ import annotations

import os

import pytest

from tests.serve.conftest import SERVES
from tests.serve.turmoil import Turmoil

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not SERVES, reason="serving needs ipykernel 7"),
]

FIRST = int(os.environ.get("AGENTLOOP_FIRST_SEED", "0"))
COUNT = int(os.environ.get("AGENTLOOP_INTERLEAVINGS", "20"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
async def test_the_order_does_not_matter(notebook, seed):
    await Turmoil(notebook, seed).go()
