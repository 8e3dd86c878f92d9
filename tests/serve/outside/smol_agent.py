"""A smolagents agent with the bridge as its only tools: `python smol_agent.py BASE_URL TASK COMMAND...`."""

from __future__ import annotations

import os
import sys

from mcp import StdioServerParameters
from smolagents import MCPClient, OpenAIServerModel, ToolCallingAgent


def main(base_url: str, task: str, command: str, *arguments: str) -> None:
    """Take the task to its end, and print the agent's last word."""
    bridge = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))
    with MCPClient(bridge, structured_output=False) as tools:
        model = OpenAIServerModel("scripted", api_base=base_url, api_key="none")
        print(ToolCallingAgent(tools, model, verbosity_level=0).run(task))


if __name__ == "__main__":
    main(*sys.argv[1:])
