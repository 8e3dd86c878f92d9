"""A Pydantic AI agent with the bridge as its only tool: `python pydantic_agent.py BASE_URL TASK COMMAND...`."""

from __future__ import annotations

import asyncio
import os
import sys

from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset, StdioTransport
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


async def main(base_url: str, task: str, command: str, *arguments: str) -> None:
    """Take the task to its end, and print the agent's last word."""
    transport = StdioTransport(command, list(arguments), env=dict(os.environ))
    tools = MCPToolset(transport, max_retries=3, read_timeout=300, tool_error_behavior="failed")
    model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=base_url, api_key="none"))
    async with Agent(model, toolsets=[tools]) as agent:
        print((await agent.run(task)).output)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
