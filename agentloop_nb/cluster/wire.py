"""The wire to a controller: its messages on sockets of our own, in one thread.

The client of ipyparallel is not used: it unpickles what engines send. Here only JSON and raw bytes are read.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import zmq
from jupyter_client.session import Session
from zmq.utils.monitor import recv_monitor_message

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
CUT = 4.0
"""Seconds without a connection, after which the controller counts as gone; a broken one is made anew within one."""
_WAIT = 500
"""Milliseconds that the thread waits for a message at most."""
_SENT = {"query": "registration", "control": "control", "mux": "mux"}
_HEARD = {"iopub": "iopub", "notification": "notification"}
_NEEDED = ("control", "iopub")
"""Without these no relay is reached, or none is heard."""

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
        self._asked: Future[dict[str, Any]] = Future()
        self._asked.set_result({})
        self._asked_at = 0.0
        self._told: dict[int, str] = {}
        """The engines that the controller named last."""
        self.connected: set[str] = set()
        """Those of the needed sockets that have a connection."""
        self._cut: dict[str, float] = {}
        """Those that lost it, with the time."""
        self._bell, self._heard_bell = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
        self._bell.bind("inproc://bell")
        self._heard_bell.connect("inproc://bell")
        self._ring = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="agentloop-cluster", daemon=True)

    def start(self) -> None:
        """Connect. Raises `UserError` where nobody answers."""
        self._connect()
        try:
            self._told = _engines(self.request("query", "connection_request", {}).result(timeout=ANSWER))
            self.engines |= self._told
        except TimeoutError:
            self.close()
            raise UserError(
                f"--on {self.address.name}: its controller does not answer; does the cluster run?"
            ) from None
        except (KeyError, ValueError, AttributeError):
            self.close()
            raise UserError(f"--on {self.address.name}: what answers there is no controller") from None

    def request(self, socket: str, kind: str, content: dict[str, Any], to: str = "") -> Future[dict[str, Any]]:
        """Send what has a reply, and return what will hold the reply's content.

        Raises `TypeError` and `ValueError` for what is no JSON.
        """
        future, packed = Future[dict[str, Any]](), pack(content)

        def send() -> None:
            message = self._session.msg(kind, packed)
            self._replies[message["header"]["msg_id"]] = future
            self._session.send(self._sockets[socket], message, ident=to.encode() or None)

        self._soon(send)
        return future

    def ask_for_engines(self) -> None:
        """Ask which engines there are: a notice that one came or went may be lost."""
        if self._asked.done() or time.monotonic() - self._asked_at > ANSWER:
            self._asked, self._asked_at = self.request("query", "connection_request", {}), time.monotonic()
            self._asked.add_done_callback(self._compare)

    def tell(self, to: str, content: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send a message to the relay of an engine. Raises `TypeError` and `ValueError` for what is no JSON."""
        packed = pack(content)

        def send() -> None:
            self._session.send(self._sockets["control"], REQUEST, packed, ident=to.encode(), buffers=[*buffers])

        self._soon(send)

    def close(self, why: str = "the connection was closed") -> None:
        """Close the connection."""
        self.closed = self.closed or why
        self._soon(lambda: None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _connect(self) -> None:
        """Open the sockets, and have the thread serve them. Raises `UserError` for an address that cannot be one."""
        try:
            for name, channel in (_SENT | _HEARD).items():
                self._sockets[name] = self._socket(zmq.DEALER if name in _SENT else zmq.SUB, channel)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise UserError(f"--on {self.address.name}: its connection file names no usable address: {error}") from None
        self._thread.start()

    def _soon(self, work: Callable[[], None]) -> None:
        self._work.put(work)
        with self._ring, suppress(zmq.ZMQError):
            self._bell.send(b"", zmq.NOBLOCK)

    # -- on the thread

    def _serve(self) -> None:
        poller, bell = zmq.Poller(), self._heard_bell
        poller.register(bell, zmq.POLLIN)
        for socket in self._sockets.values():
            poller.register(socket, zmq.POLLIN)
        names = {socket: name for name, socket in self._sockets.items()}
        watched = {self._sockets[name].get_monitor_socket(): name for name in _NEEDED}
        for watch in watched:
            poller.register(watch, zmq.POLLIN)
        try:
            while not self.closed:
                for socket, _ in poller.poll(_WAIT):
                    if socket is bell:
                        self._do_work(bell)
                    elif socket in watched:
                        self._note_connection(watched[socket], recv_monitor_message(socket)["event"])
                    else:
                        self._take(names[socket], socket.recv_multipart())
                if any(time.monotonic() - since > CUT for since in self._cut.values()):
                    self.closed = self.closed or "the controller of the cluster is gone"
            self._do_work(bell)
        finally:
            self.closed = self.closed or "the connection broke"
            with self._ring:  # a socket that another thread rings must not be closed under it
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
        if channel in _NEEDED:
            socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        socket.connect(self.address.urls[channel])
        return socket

    def _note_connection(self, name: str, event: int) -> None:
        """Note that a connection broke, or was made."""
        if event == zmq.EVENT_DISCONNECTED:
            self.connected.discard(name)
            self._cut.setdefault(name, time.monotonic())
        else:
            self.connected.add(name)
            self._cut.pop(name, None)

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

    def _compare(self, answer: Future[dict[str, Any]]) -> None:
        """Put right what engines are there; one answer may be older than a notice, two are not."""
        with suppress(KeyError, ValueError, AttributeError):
            told, before = _engines(answer.result()), self._told
            self._told = told
            self.engines |= {number: identity for number, identity in told.items() if number in before}
            for number in [each for each in self.engines if each not in told and each not in before]:
                self.engines.pop(number, None)

    def _notice(self, kind: str, content: dict[str, Any]) -> None:
        with suppress(KeyError, ValueError, TypeError):
            if kind == "registration_notification":
                self.engines[int(content["id"])] = str(content["uuid"])
            elif kind == "unregistration_notification":
                self.engines.pop(int(content["id"]), None)
            elif kind == "shutdown_notification":
                self.closed = self.closed or "the cluster was stopped"


def pack(content: Mapping[str, Any]) -> Any:
    """Write content as JSON in ASCII, for names that are no UTF-8. Raises `TypeError` and `ValueError`."""
    return json.dumps(content, allow_nan=False).encode()


def _engines(content: dict[str, Any]) -> dict[int, str]:
    """Return the engines that a controller names. Raises `KeyError`, `ValueError` and `AttributeError`."""
    return {int(number): str(identity) for number, identity in content["engines"].items()}
