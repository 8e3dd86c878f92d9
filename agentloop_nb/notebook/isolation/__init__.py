"""Isolated runs of a shell: where they take place, and what is brought back."""
