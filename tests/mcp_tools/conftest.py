"""One well-behaved server for all scenarios of a file: it takes a while to start."""

from __future__ import annotations

import pytest

from agentloop_nb.mcp_tools.server_thread import server_thread
from agentloop_nb.mcp_tools.toolbox import toolbox
from tests.mcp_tools.allowing import allow, configure


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    configure(folder, "good")
    allow(folder, "good")
    found = toolbox(folder, ())
    assert found is not None
    yield found
    server_thread().submit(_close(found)).result(30)


async def _close(found) -> None:
    for connection in found._connections.values():
        await connection.close()
