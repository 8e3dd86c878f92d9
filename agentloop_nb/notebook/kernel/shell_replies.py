"""How a kernel sends its replies, so that it goes on to read its requests."""

from __future__ import annotations

from typing import Any


def send_by_stream(kernel: Any) -> None:
    """Have replies leave through the stream that reads the requests, as in ipykernel 7.4; do nothing in other versions.

    7.0 to 7.3 write to the socket past that stream. This uses up the signal of a request that comes at that moment: it
    stays unread in an idle kernel, and so do all later ones of that client (ipykernel's issue 1554).
    """
    thread, stream = (getattr(kernel, name, None) for name in ("shell_channel_thread", "shell_stream"))
    manager = getattr(thread, "manager", None)
    if manager is not None and getattr(manager, "_shell_socket", None) is getattr(stream, "socket", manager):
        manager._shell_socket = stream  # noqa: SLF001 - only where it is that socket
