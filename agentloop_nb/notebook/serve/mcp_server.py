"""The MCP server of a served kernel: requests in, answers out, on the SDK's low-level server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.server.lowlevel import Server

from agentloop_nb import __version__
from agentloop_nb.actions.registry import BUILT_IN_BY_NAME, by_name
from agentloop_nb.agent.event_stream import log
from agentloop_nb.bridge import tools
from agentloop_nb.bridge.skill import skill
from agentloop_nb.errors import UserError
from agentloop_nb.notebook.serve import resources
from agentloop_nb.notebook.serve.outside_model import Answer, Call, no_step
from agentloop_nb.state import THROUGH

if TYPE_CHECKING:
    from agentloop_nb.notebook.serve.served_kernel import ServedKernelRun

_HEARTBEAT = 5.0
"""Seconds between two words to a client that waits for a long step."""


class Progress:
    """Tells a client how its call goes, five times a second at most; one that did not ask is told nothing."""

    def __init__(self, context: Any) -> None:
        self._session = context.session
        self._count = 0
        self._last = 0.0
        self._telling: set[asyncio.Task[None]] = set()

    def __call__(self, text: str) -> None:
        if time.monotonic() - self._last < 0.2:
            return
        self._last, self._count = time.monotonic(), self._count + 1
        task = asyncio.ensure_future(self._tell(self._count, text))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, count: int, text: str) -> None:
        try:
            await self._session.report_progress(count, None, text)
        except Exception as error:  # noqa: BLE001 - the client is gone; its call ends by itself
            log.debug("no progress could be told: %r", error)


class Requests:
    """Answers what clients ask of one served run."""

    def __init__(self, served: ServedKernelRun) -> None:
        self._served = served

    def server(self) -> Server[Any]:
        """Make the server; one serves all connections."""
        return Server(
            "agentloop",
            version=__version__,
            title="Live Jupyter kernel",
            instructions=tools.INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_read_resource=self._read_resource,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
        )

    async def _list_tools(self, context: Any, _params: Any) -> types.ListToolsResult:
        self._served.model.greet(client_name(context))
        offered = [tool for tool in tools.TOOLS if not self._withheld(tool["name"])]
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in offered])

    def _withheld(self, name: str) -> str:
        """Say why a tool that there is is not offered here; empty where it is."""
        if self._served.read_only and name not in tools.READS:
            return "this kernel is served to look only"
        if name in tools.STEPS and name not in by_name(self._served.session.state.actions):
            return BUILT_IN_BY_NAME[name].unavailable() or "this run does without it"
        return ""

    async def _call_tool(self, context: Any, params: Any) -> types.CallToolResult:
        answer = await self._answer(context, params.name, tools.given(params.name, params.arguments or {}))
        self._served.told.count(answer.text, *(image.base64 for image in answer.images))
        content: list[Any] = [types.TextContent(type="text", text=answer.text)]
        content += [
            types.ImageContent(type="image", data=image.base64, mime_type=image.media_type) for image in answer.images
        ]
        return types.CallToolResult(content=content, structured_content=answer.told, is_error=answer.failed)

    async def _answer(self, context: Any, name: str, arguments: dict[str, Any]) -> Answer:
        is_step, client = name in tools.STEPS, client_name(context)
        self._served.model.greet(client)
        if problem := self._problem(name, arguments):
            return Answer(problem, no_step(problem) if is_step else None, failed=True)
        if not is_step:
            text, failed = await self._served.tools.answer(name, arguments)
            return Answer(text, failed=failed)
        call = Call(name, arguments, client, Progress(context))
        try:
            self._served.put(call)
        except UserError as error:
            return Answer(str(error), no_step(str(error)), failed=True)
        return await self._wait(call)

    def _problem(self, name: str, arguments: dict[str, Any]) -> str:
        if name in tools.BY_NAME and (why := self._withheld(name)):
            return f"{name} is not offered: {why}"
        return tools.problem(name, arguments)

    async def _wait(self, call: Call) -> Answer:
        try:
            while not call.answer.done():
                await asyncio.wait([call.answer], timeout=_HEARTBEAT)
                if not call.answer.done():
                    call.progress("at work" if call.at_work else "waiting for its turn")
            return call.answer.result()
        except asyncio.CancelledError:
            call.gone.set()
            raise

    # -- resources and prompts

    async def _list_resources(self, _context: Any, _params: Any) -> types.ListResourcesResult:
        listed = [
            types.Resource(uri=each.uri, name=each.name, description=each.description, mime_type=each.media_type)
            for each in resources.RESOURCES
        ]
        return types.ListResourcesResult(resources=listed)

    async def _read_resource(self, _context: Any, params: Any) -> types.ReadResourceResult:
        text = await resources.read(self._served, str(params.uri))
        self._served.told.count(text)
        kinds = {each.uri: each.media_type for each in resources.RESOURCES}
        kind = kinds.get(str(params.uri), "text/plain")
        content = types.TextResourceContents(uri=params.uri, text=text, mime_type=kind)
        return types.ReadResourceResult(contents=[content])

    async def _list_prompts(self, _context: Any, _params: Any) -> types.ListPromptsResult:
        prompt = types.Prompt(name="work-in-this-notebook", description="How to work in a person's live notebook.")
        return types.ListPromptsResult(prompts=[prompt])

    async def _get_prompt(self, _context: Any, _params: Any) -> types.GetPromptResult:
        content = types.TextContent(type="text", text=skill().split("---\n", 2)[2].strip())
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


def client_name(context: Any) -> str:
    """Who calls, for the record: `claude-code 3.1, through MCP`."""
    params = context.session.client_params
    info = params.client_info if params else None
    named = f"{info.title or info.name} {info.version}" if info else "an outside agent"
    return " ".join(f"{named[:100]}{THROUGH}".split())
