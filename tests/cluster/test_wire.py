"""The connection to a controller: a short break is borne, a long one is the end, and a lost notice is made good."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from agentloop_nb.cluster import wire
from agentloop_nb.cluster.address import Address, address
from agentloop_nb.cluster.wire import Wire
from tests.cluster.conftest import Lab
from tests.processes import wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def open_wire(lab: Lab) -> Iterator[Wire]:
    """A further connection to the cluster."""
    made = Wire(address(lab.on), lambda content, buffers: None)
    made.start()
    yield made
    made.close()


class Door:
    """A controller's sockets, and nobody behind them."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._open = {name: self._context.socket(zmq.ROUTER) for name in ("registration", "control", "mux")}
        self._open |= {name: self._context.socket(zmq.PUB) for name in ("iopub", "notification")}
        ports = {name: socket.bind_to_random_port("tcp://127.0.0.1") for name, socket in self._open.items()}
        self.address = Address(
            "door", {name: f"tcp://127.0.0.1:{port}" for name, port in ports.items()}, b"key", "hmac-sha256", b""
        )

    def shut(self, name: str) -> None:
        self._open.pop(name).close(linger=0)

    def open(self, name: str) -> None:
        self._open[name] = self._context.socket(zmq.PUB if name == "iopub" else zmq.ROUTER)
        wait_for(lambda: self._bound(name))

    def _bound(self, name: str) -> bool:
        try:
            self._open[name].bind(self.address.urls[name])
        except zmq.ZMQError:  # it is not let go of yet
            return False
        return True

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.close()


@pytest.fixture
def knocking(door: Door) -> Iterator[Wire]:
    """A connection to it that is made and known to be."""
    made = Wire(door.address, lambda content, buffers: None)
    made._connect()
    wait_for(lambda: made.connected == {"control", "iopub"})
    yield made
    made.close()


def test_a_notice_that_was_lost_is_made_good(open_wire: Wire):
    there = dict(open_wire.engines)
    assert len(there) == 2
    open_wire.engines.clear()
    open_wire.engines[99] = "gone"

    def put_right() -> bool:
        open_wire.ask_for_engines()
        return open_wire.engines == there

    wait_for(put_right)
    assert not open_wire.closed


@pytest.mark.parametrize("name", ["control", "iopub"])
def test_a_connection_that_stays_broken_is_the_end(door: Door, knocking: Wire, monkeypatch, name):
    monkeypatch.setattr(wire, "CUT", 0.2)
    door.shut(name)
    wait_for(lambda: knocking.closed)
    assert knocking.closed == "the controller of the cluster is gone"


@pytest.mark.parametrize("name", ["control", "iopub"])
def test_a_connection_that_is_made_again_is_as_before(door: Door, knocking: Wire, monkeypatch, name):
    monkeypatch.setattr(wire, "CUT", 60.0)
    door.shut(name)
    wait_for(lambda: name not in knocking.connected)
    door.open(name)
    wait_for(lambda: name in knocking.connected)
    assert not knocking.closed


def test_the_loss_of_what_is_not_needed_is_borne(door: Door, knocking: Wire, monkeypatch):
    monkeypatch.setattr(wire, "CUT", 0.0)
    door.shut("notification")
    door.shut("registration")
    with pytest.raises(TimeoutError):
        knocking.request("query", "connection_request", {}).result(timeout=1)
    assert not knocking.closed
