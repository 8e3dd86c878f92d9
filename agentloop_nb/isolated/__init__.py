"""A workspace in a kernel process of its own: limits, a clean environment, its own folder; and what may come back."""
