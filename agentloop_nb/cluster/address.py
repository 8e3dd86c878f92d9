"""Where a running cluster is: `PROFILE[:CLUSTER]`, or the connection file that its controller wrote."""

from __future__ import annotations

import hmac
import json
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentloop_nb._internal.addresses import EVERYWHERE, LOOPBACK
from agentloop_nb.errors import UserError

_CHANNELS = ("registration", "control", "mux", "iopub", "notification")
_JSON = ("json", "orjson")
"""Names of packers that write JSON. jupyter_client chooses the second by itself where orjson is installed."""
_LOOPBACK = (LOOPBACK, "localhost", "::1", "[::1]")
KEY = 32
"""Bytes of a CURVE key."""
_ANY = ("*", EVERYWHERE, "")
"""How a controller writes that it listens everywhere."""


@dataclass(frozen=True)
class Address:
    """What it takes to speak with a controller."""

    name: str
    """As the person named it."""
    urls: dict[str, str]
    key: bytes
    scheme: str
    curve: bytes


def address(on: str) -> Address:
    """Read where a cluster is. Raises `UserError`."""
    path = Path(on).expanduser() if on.endswith(".json") else _connection_file(on)
    try:
        return _parsed(on, json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"--on {on}: {path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"--on {on}: {path} is no connection file of a controller (ipcontroller-...-client.json)"
        ) from None


def _connection_file(on: str) -> Path:
    profile, _, cluster = on.partition(":")
    if not profile or any(each in profile + cluster for each in "/\\"):
        raise UserError(f"--on takes PROFILE or PROFILE:CLUSTER, or the path of a connection file; not {on!r}")
    home = Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser()
    folder = home / f"profile_{profile}" / "security"
    files = sorted(folder.glob("ipcontroller*client.json"))
    found = {path.name.removeprefix("ipcontroller").removesuffix("client.json").strip("-"): path for path in files}
    if cluster in found:
        return found[cluster]
    if not found:
        named = "".join([f" --profile={profile}" * (profile != "default"), f" --cluster-id={cluster}" * bool(cluster)])
        raise UserError(
            f"--on {on}: no cluster of profile {profile!r} runs here; start one: ipcluster start{named} -n 2"
        )
    if not cluster and len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(f"{profile}:{name}" if name else profile for name in sorted(found))
    raise UserError(f"--on {on}: {'there is no such cluster' if cluster else 'there are several'}; name one of {names}")


def _parsed(on: str, told: dict[str, Any]) -> Address:
    if told["pack"] not in _JSON or told["unpack"] not in _JSON:
        raise UserError(f"--on {on}: its controller speaks {told['unpack']}; only json is read here")
    transport, _, host = str(told["interface"]).partition("://")
    host = _host(on, host, told)
    urls = {channel: f"{transport}://{host}:{_port(told[channel])}" for channel in _CHANNELS}
    curve = str(told.get("curve_serverkey") or os.environ.get("IPP_CURVE_SERVERKEY") or "")
    return Address(on, urls, str(told["key"]).encode(), _scheme(told["signature_scheme"]), _key(on, curve))


def _port(told: Any) -> int:
    """Return a port. Raises `ValueError`."""
    if not 0 < (port := int(told)) < 2**16:
        raise ValueError(told)
    return port


def _scheme(told: Any) -> str:
    """Return how messages are signed. Raises `ValueError` for a way that is not known."""
    how, _, digest = str(told).partition("-")
    if how != "hmac":
        raise ValueError(told)
    hmac.new(b"", digestmod=digest)
    return str(told)


def _key(on: str, curve: str) -> bytes:
    """Return the controller's public key for CURVE; empty where there is none. Raises `UserError`."""
    from zmq.utils import z85

    try:
        if not curve or len(z85.decode(curve)) == KEY:
            return curve.encode()
    except (ValueError, KeyError, struct.error):
        pass
    raise UserError(f"--on {on}: its curve_serverkey is no key; copy the connection file anew")


def _host(on: str, host: str, told: dict[str, Any]) -> str:
    """Return the host to connect to. Raises `UserError` for one that is reached by a tunnel only."""
    location = str(told.get("location") or "")
    here = location in ("", socket.gethostname(), *_LOOPBACK)
    if host in _ANY:
        return LOOPBACK if here else location
    if host in _LOOPBACK and not here and not told.get("tunnelled"):
        raise UserError(
            f"--on {on}: the controller listens on the loopback of {location} only; start it with --ip='*', or tunnel "
            f'its ports and add "tunnelled": true to the connection file'
        )
    return host
