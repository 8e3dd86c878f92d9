"""Functions of the user's as actions: `from agentloop_nb import action`."""
