"""Addresses of this machine, as they are written."""

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared, never bound
"""What a server is bound to that listens on every address of its machine."""
