"""The stdio bridge to a served kernel, `agentloop mcp`: a pipe that needs no SDK and starts in a tenth of a second."""
