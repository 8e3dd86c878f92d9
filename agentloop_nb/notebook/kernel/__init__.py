"""The live kernel as a workspace: running code as a cell would, capturing, stopping, describing."""
