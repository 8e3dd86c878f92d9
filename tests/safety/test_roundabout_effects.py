"""Effects that go a roundabout way are judged as what they are: handles of folders, links, pools, names of hosts."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentloop_nb.notebook.kernel import effect_hook, output_scope
from agentloop_nb.notebook.kernel.effect_hook import Supervision
from agentloop_nb.notebook.kernel.run_past import Past
from agentloop_nb.safety.code_risks import read
from agentloop_nb.safety.effect_rules import is_local
from agentloop_nb.safety.observed_effects import Mandate

linux = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs the list of open handles")


@contextmanager
def step(folder: Path, **mandate: Any) -> Iterator[None]:
    """Judge the body as a step is judged, with nobody there to ask."""
    scope, home = object(), threading.get_ident()
    judged = Supervision(
        scope, Mandate(**mandate), Past(folder), owns=lambda: output_scope.belongs(scope, home), ask=lambda _: None
    )
    with output_scope.marked_threads(), output_scope.entered(scope), judged:
        yield


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a file beside it that must stay as it is."""
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "victim").write_text("precious")
    monkeypatch.chdir(folder)
    return folder


def by_handle(victim: Path) -> None:
    above = os.open(victim.parent, os.O_RDONLY)
    try:
        os.close(os.open(victim.name, os.O_WRONLY | os.O_TRUNC, dir_fd=above))
    finally:
        os.close(above)


def by_link_below_a_handle(victim: Path) -> None:
    above = os.open(victim.parent, os.O_RDONLY)
    try:
        os.link(victim.name, "inner", src_dir_fd=above)
        Path("inner").write_text("")
    finally:
        os.close(above)


def by_truncating_a_link(victim: Path) -> None:
    Path("inner").symlink_to(victim)
    os.truncate("inner", 0)


def by_mode_of_a_link(victim: Path) -> None:
    Path("inner").symlink_to(victim)
    Path("inner").chmod(0)


def by_times(victim: Path) -> None:
    os.utime(victim, (0, 0))


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(by_handle, marks=linux),
        pytest.param(by_link_below_a_handle, marks=linux),
        by_truncating_a_link,
        by_mode_of_a_link,
        by_times,
    ],
)
def test_a_file_outside_is_not_changed_in_a_roundabout_way(place: Path, harm: Callable[[Path], None]) -> None:
    with step(place), pytest.raises(PermissionError, match="victim"):
        harm(place.parent / "victim")
    assert (place.parent / "victim").read_text() == "precious"


@pytest.mark.parametrize(
    "name", [".cache/torch/hub/x/hubconf.py", ".config/matplotlib/matplotlibrc", ".cache/a/b.pth", ".cache/x.sh"]
)
def test_what_is_run_out_of_a_cache_is_not_written_unseen(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(place.parent))
    (place.parent / name).parent.mkdir(parents=True)
    (place.parent / name).touch()  # new files are free below /tmp, where tests run
    with step(place), pytest.raises(PermissionError, match="it writes"):
        (place.parent / name).write_text("x = 1")
    with step(place):
        (place.parent / name).with_suffix(".json").write_text("{}")


def test_a_file_in_the_folder_is_written_and_touched_beside_an_open_handle(place: Path) -> None:
    above = os.open(place.parent, os.O_RDONLY)
    try:
        with step(place):
            Path("new").touch()
            os.utime("new")
    finally:
        os.close(above)
    assert (place / "new").exists()


def test_what_is_handed_to_an_older_pool_of_threads_is_judged(place: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(len, "").result()
        with step(place), pytest.raises(PermissionError):
            pool.submit(os.remove, place.parent / "victim").result()
        assert pool.submit(len, "ab").result() == 2
    assert (place.parent / "victim").exists()


async def test_what_is_handed_to_the_threads_of_the_loop_is_judged(place: Path) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(len, "")
    with step(place), pytest.raises(PermissionError):
        await loop.run_in_executor(None, os.remove, place.parent / "victim")


def connect(address: tuple[str, int]) -> None:
    with socket.socket() as client:
        client.connect(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_a_port_of_somebody_else_is_not_the_steps_own_once_it_was_tried(place: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, step(place), socket.socket() as own:
        try:
            own.bind((host, server.getsockname()[1]))
            own.listen()
        except OSError:
            pass
        with pytest.raises(PermissionError):
            connect(server.getsockname())


def test_a_server_of_the_step_is_its_own(place: Path) -> None:
    with step(place), socket.create_server(("127.0.0.1", 0)) as server:
        connect(server.getsockname())


def test_a_name_that_leads_into_this_machine_is_no_public_host(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effect_hook, "resolved", lambda _: {"127.0.0.1"})
    with socket.create_server(("127.0.0.1", 0)) as server, step(place, user="follow the links of these pages"):
        port = server.getsockname()[1]
        with pytest.raises(PermissionError, match="this machine or its network"), socket.socket() as client:
            sys.audit("socket.connect", client, ("rebound.invalid", port))
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("another.invalid", port)
        with pytest.raises(PermissionError):
            connect(("127.0.0.1", port))


@pytest.mark.parametrize("address", ["127.0.0.1", "100.64.0.1", "169.254.169.254", "fd00::1", "fe80::1", "::1"])
def test_addresses_of_the_network_are_local(address: str) -> None:
    assert is_local(address)


@pytest.mark.parametrize("host", ["fdic.gov", "fcc.gov", "100.128.0.1", "2606:4700::1", "feedly.com"])
def test_public_hosts_are_not(host: str) -> None:
    assert not is_local(host)


@pytest.mark.parametrize(
    ("name", "user"), [("XDG_DATA_HOME", ""), ("PATH", "find the shortest path"), ("PERL5OPT", ""), ("APPDATA", "")]
)
def test_a_variable_that_decides_what_runs_is_not_set(place: Path, name: str, user: str) -> None:
    with step(place, user=user), pytest.raises(PermissionError):
        os.putenv(name, "x")


@pytest.mark.parametrize(
    "source",
    [
        "import readline\nreadline.write_history_file(p)",
        "from readline import append_history_file as f\nf(1, p)",
        "import signal\nsignal.pidfd_send_signal(p, 9)",
        "import zmq\nzmq.Context().socket(zmq.PUSH).connect(p)",
        "import os\nos.mkfifo(p)",
        "import os\nos.environ._data[b'X'] = p",
    ],
)
def test_what_nothing_tells_of_is_seen_in_the_code(source: str) -> None:
    assert read(source).past_python
