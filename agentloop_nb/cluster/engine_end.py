"""What runs in an engine: a relay on its control channel, and a guard that cleans up should the engine be killed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from agentloop_nb.isolated.relay import Relay

REQUEST, TOPIC = "agentloop_relay", "agentloop."
"""As the wire has them; that module is not for engines."""
_GUARD = "from agentloop_nb.cluster.engine_guard import main; main()"


class EngineEnd:
    """Takes requests off the control channel of an engine's kernel, and sends answers to all who listen.

    The kernel holds it, as what handles those requests.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._lock = threading.Lock()
        self._guard = subprocess.Popen(
            [sys.executable, "-P", "-c", _GUARD], stdin=subprocess.PIPE, start_new_session=True, text=True
        )
        self._relay = Relay(self._send, self._watch)
        kernel.control_handlers[REQUEST] = self._take

    def _take(self, _stream: Any, _ident: Any, message: dict[str, Any]) -> None:
        self._relay.take(message["content"], [bytes(each) for each in message["buffers"]])

    def _send(self, client: str, content: dict[str, Any], buffers: Sequence[bytes]) -> None:
        topic, packed = f"{TOPIC}{client}".encode(), json.dumps(content).encode()
        with self._lock:
            self._kernel.session.send(
                self._kernel.iopub_socket, REQUEST, packed, ident=topic, buffers=list(buffers) or None
            )

    def _watch(self, told: str) -> None:
        assert self._guard.stdin is not None
        with self._lock, suppress(OSError):
            self._guard.stdin.write(f"{told}\n")
            self._guard.stdin.flush()


def begin(kernel: Any) -> None:
    """Have a relay in this engine. Doing so again changes nothing."""
    if REQUEST not in kernel.control_handlers:
        EngineEnd(kernel)
