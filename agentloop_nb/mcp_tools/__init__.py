"""Tools of MCP servers that the user allowed, called by the action `use_tool`."""
