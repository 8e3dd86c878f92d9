"""The wire to a controller: its messages on sockets of our own, in one thread.

The client of ipyparallel is not used: it unpickles what engines send. Here only JSON and raw bytes are read.
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import zmq
from jupyter_client.session import Session

from agentloop_nb.cluster.address import Address
from agentloop_nb.errors import UserError

ANSWER = 10.0
"""Seconds in which a controller has to answer."""
TOPIC = "agentloop."
"""What the relay's messages begin with on the channel that all clients may listen to, before the client's mark."""
LARGEST = 64 * 2**20
"""Bytes of one frame; a connection that brings a larger one is dropped by the socket."""
REQUEST = "agentloop_relay"
"""The message to the relay, on the control channel, which is served while code runs."""
_WAIT = 500
"""Milliseconds that the thread waits for a message at most."""
_SENT = {"query": "registration", "control": "control", "mux": "mux"}
_HEARD = {"iopub": "iopub", "notification": "notification"}

Heard = Callable[[dict[str, Any], Sequence[bytes]], None]


class Wire:
    """Connected sockets. `hear` gets what relays send, on the wire's thread."""

    def __init__(self, address: Address, hear: Heard) -> None:
        self.client = uuid.uuid4().hex
        """The mark of this client, by which relays address it."""
        self.engines: dict[int, str] = {}
        """The engines that are there: number -> identity."""
        self.closed = ""
        """Why it is closed."""
        self.address, self._hear = address, hear
        self._session = Session(key=address.key, signature_scheme=address.scheme)
        self._context = zmq.Context()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._replies: dict[str, Future[dict[str, Any]]] = {}
        self._sockets: dict[str, Any] = {}
        self._bell, self._heard_bell = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
        self._bell.bind("inproc://bell")
        self._heard_bell.connect("inproc://bell")
        self._ring = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="agentloop-cluster", daemon=True)

    def start(self) -> None:
        """Connect. Raises `UserError` where nobody answers."""
        self._thread.start()
        try:
            content = self.request("query", "connection_request", {}).result(timeout=ANSWER)
            self.engines |= {int(number): str(identity) for number, identity in content["engines"].items()}
        except TimeoutError:
            self.close()
            raise UserError(
                f"--on {self.address.name}: its controller does not answer; does the cluster run?"
            ) from None
        except (KeyError, ValueError, AttributeError):
            self.close()
            raise UserError(f"--on {self.address.name}: what answers there is no controller") from None

    def request(self, socket: str, kind: str, content: dict[str, Any], to: str = "") -> Future[dict[str, Any]]:
        """Send what has a reply, and return what will hold the reply's content."""
        future: Future[dict[str, Any]] = Future()

        def send() -> None:
            message = self._session.msg(kind, content)
            self._replies[message["header"]["msg_id"]] = future
            self._session.send(self._sockets[socket], message, ident=to.encode() or None)

        self._soon(send)
        return future

    def tell(self, to: str, content: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send a message to the relay of an engine."""

        def send() -> None:
            self._session.send(self._sockets["control"], REQUEST, content, ident=to.encode(), buffers=[*buffers])

        self._soon(send)

    def close(self, why: str = "the connection was closed") -> None:
        """Close the connection."""
        self.closed = self.closed or why
        self._soon(lambda: None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _soon(self, work: Callable[[], None]) -> None:
        self._work.put(work)
        with self._ring, suppress(zmq.ZMQError):
            self._bell.send(b"", zmq.NOBLOCK)

    # -- on the thread

    def _serve(self) -> None:
        poller, bell = zmq.Poller(), self._heard_bell
        poller.register(bell, zmq.POLLIN)
        for name, channel in (_SENT | _HEARD).items():
            self._sockets[name] = self._socket(zmq.DEALER if name in _SENT else zmq.SUB, channel)
            poller.register(self._sockets[name], zmq.POLLIN)
        names = {socket: name for name, socket in self._sockets.items()}
        try:
            while not self.closed:
                for socket, _ in poller.poll(_WAIT):
                    if socket is bell:
                        self._do_work(bell)
                    else:
                        self._take(names[socket], socket.recv_multipart())
            self._do_work(bell)
        finally:
            self.closed = self.closed or "the connection broke"
            self._context.destroy(linger=1000)

    def _socket(self, kind: int, channel: str) -> Any:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, LARGEST)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        if self.address.curve:
            socket.curve_serverkey = self.address.curve
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        if channel == "iopub":
            socket.setsockopt(zmq.SUBSCRIBE, f"{TOPIC}{self.client}".encode())
        elif channel == "notification":
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(self.address.urls[channel])
        return socket

    def _do_work(self, bell: Any) -> None:
        with suppress(zmq.ZMQError):
            while True:
                bell.recv(zmq.NOBLOCK)
        with suppress(queue.Empty):
            while True:
                self._work.get_nowait()()

    def _take(self, name: str, parts: list[bytes]) -> None:
        try:
            _, frames = self._session.feed_identities(parts)
            message = self._session.deserialize(frames)
            content, kind = message["content"], message["msg_type"]
        except Exception:  # noqa: BLE001 - unsigned, damaged, or sent twice
            return
        if not isinstance(content, dict):
            return
        match name:
            case "iopub" if kind == REQUEST:
                self._hear(content, [bytes(each) for each in message["buffers"]])
            case "notification":
                self._notice(kind, content)
            case "query" | "mux":
                reply = self._replies.pop(str((message["parent_header"] or {}).get("msg_id")), None)
                if reply is not None:
                    reply.set_result(content)

    def _notice(self, kind: str, content: dict[str, Any]) -> None:
        with suppress(KeyError, ValueError, TypeError):
            if kind == "registration_notification":
                self.engines[int(content["id"])] = str(content["uuid"])
            elif kind == "unregistration_notification":
                self.engines.pop(int(content["id"]), None)
            elif kind == "shutdown_notification":
                self.closed = self.closed or "the cluster was stopped"
