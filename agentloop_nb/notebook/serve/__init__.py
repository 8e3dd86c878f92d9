"""The kernel as an MCP server: an outside agent takes the place of the model, and everything else is as ever."""
