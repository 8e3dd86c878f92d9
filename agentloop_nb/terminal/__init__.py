"""Runs as text: on a terminal, in pipes and logs."""
