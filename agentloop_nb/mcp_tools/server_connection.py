"""One server that is spoken with: started at its first use, owned by one task, and started anew after it ended."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, Any

from agentloop_nb._internal.text import on_one_line
from agentloop_nb.errors import ActionFailed, UserError
from agentloop_nb.mcp_tools.bounded_stdio import Ended, bounded_stdio
from agentloop_nb.mcp_tools.configuration import Server
from agentloop_nb.mcp_tools.tool import Tool, plain

if TYPE_CHECKING:
    from mcp import Client

START = 60.0
"""Seconds in which it has to start: `npx` and `uvx` may have to fetch it first."""
LIST = 20.0
"""Seconds in which it has to list its tools."""
MOST_PAGES, MOST_TOOLS, LARGEST_LIST = 20, 500, 2_000_000
"""Pages, tools and characters of a list."""


class Connection:
    """One server. All of it happens on the event loop of `ServerThread`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ended = Ended()
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def listed(self) -> tuple[Tool, ...]:
        """Return its tools, starting it if need be. Raises `ActionFailed`, one line."""
        import mcp_types as types

        tools: list[Tool] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            request = types.ListToolsRequest(params=types.PaginatedRequestParams(cursor=cursor))
            page: Any = await self._ask(request, types.ListToolsResult, LIST, "list its tools")
            tools += [_tool(each) for each in page.tools]
            if len(tools) > MOST_TOOLS or sum(_size(tool) for tool in tools) > LARGEST_LIST:
                break
            if (cursor := page.next_cursor) is None:
                return tuple(tools)
        raise ActionFailed(f"the server {self.server.name} lists too many or too long tools ({len(tools)} and more)")

    async def call(self, tool: str, arguments: dict[str, Any], seconds: float) -> Any:
        """Call a tool once. Raises `ActionFailed`; a call that broke off is not repeated."""
        import mcp_types as types

        request = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=arguments))
        return await self._ask(request, types.CallToolResult, seconds, f"answer {tool}")

    async def close(self) -> None:
        """End it."""
        task, self._client = self._task, None
        self._stop.set()
        if task is not None:
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=10)

    async def _ask(self, request: Any, kind: Any, seconds: float, what: str) -> Any:
        import mcp_types as types
        from mcp import MCPError
        from pydantic import ValidationError

        client, name = await self._open(), self.server.name
        try:
            # not client.call_tool: that follows a server's own output schema, patterns and all
            async with asyncio.timeout(seconds):
                return await client.session.send_request(request, kind, seconds + 1)
        except TimeoutError:
            await self.close()
            raise ActionFailed(f"the server {name} did not {what} within {seconds:g} s, and was ended") from None
        except ValidationError:
            raise ActionFailed(f"the server {name} did not {what} in a way that can be read") from None
        except MCPError as error:
            if not (self._is_over or error.error.code == types.CONNECTION_CLOSED):
                raise
            raise self._broken(what, error) from None
        except Exception as error:  # noqa: BLE001 - a closed stream has several names
            raise self._broken(what, error) from None

    @property
    def _is_over(self) -> bool:
        return self._client is None or bool(self.ended.why) or self._task is None or self._task.done()

    def _broken(self, what: str, error: Exception) -> ActionFailed:
        why = self.ended.why or ("it ended" if _is_closed(error) else plain(str(error), 160) or type(error).__name__)
        self._client = None
        self._stop.set()
        return ActionFailed(
            f"the server {self.server.name} did not {what}: {why}. It is started anew when called again"
        )

    async def _open(self) -> Client:
        if self._client is not None and self._task is not None and not self._task.done():
            return self._client
        await self.close()
        self.ended, self._stop = Ended(), asyncio.Event()
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._own(ready, self._stop, self.ended))
        done, _ = await asyncio.wait({ready}, timeout=START)
        if not done:
            self._task.cancel()
            raise ActionFailed(f"the server {self.server.name} did not start within {START:g} s")
        self._client = ready.result()
        return self._client

    async def _own(self, ready: asyncio.Future[Client], stop: asyncio.Event, ended: Ended) -> None:
        """Enter and leave the client in one task, as its scopes demand."""
        from mcp import Client

        try:
            async with Client(self._transport(ended), cache=None) as client:
                ready.set_result(client)
                await stop.wait()
        except asyncio.CancelledError:
            if not ready.done():
                ready.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            if not ready.done():
                ready.set_exception(ActionFailed(_start_fault(self.server, error, ended)))
                ready.exception()

    def _transport(self, ended: Ended) -> AbstractAsyncContextManager[Any]:
        if self.server.spec.get("command"):
            return bounded_stdio(self.server, ended)
        from agentloop_nb.mcp_tools.bounded_http import bounded_http

        return bounded_http(self.server, ended)


def _tool(listed: Any) -> Tool:
    return Tool(name=listed.name, description=listed.description or "", inputs=listed.input_schema or {})


def _size(tool: Tool) -> int:
    return len(tool.name) + len(tool.description) + len(str(tool.inputs))


def _is_closed(error: Exception) -> bool:
    return "closed" in f"{type(error).__name__} {error}".lower()


def _start_fault(server: Server, error: BaseException, ended: Ended) -> str:
    """Why a server did not start, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, UserError):
        return str(error)
    said = ended.why or ("it ended at once" if _is_closed(Exception(str(error))) else on_one_line(str(error))[:200])
    return f"the server {server.name} does not start: {said or type(error).__name__}"
