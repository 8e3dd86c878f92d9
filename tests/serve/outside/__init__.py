"""Agents and clients that nobody here wrote, pointed at the bridge; each runs in the environment that has it."""
