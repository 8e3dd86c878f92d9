"""The bridge that clients start: how it finds a kernel, and what it says while there is none."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from agentloop_nb.bridge import pipe
from agentloop_nb.bridge.served_kernels import NO_KERNEL, ServedKernel, alive, choose, connect
from agentloop_nb.bridge.skill import skill
from agentloop_nb.bridge.tools import BY_NAME, STEPS, TOOLS, problem
from tests.processes import wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of its own; returns the folder that holds it."""
    (tmp_path / "rt").mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "rt"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def announce(place: Path, name: str, cwd: str, *, mode: int = 0o600, **other: Any) -> Path:
    known = ServedKernel(name, f"kernel-{name}-id", "", cwd, os.getpid(), str(place / "sock"), "t", "r", time.time())
    file = place / "rt" / f"agentloop-{name}.json"
    file.write_text(json.dumps(known._asdict() | other))
    file.chmod(mode)
    return file


def talk(place: Path, *lines: str | bytes) -> list[dict[str, Any]]:
    """What the bridge answers to some lines."""
    done = subprocess.run(
        [sys.executable, "-m", "agentloop_nb", "mcp"],
        cwd=place,
        input=b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


def request(method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_sees_a_sound_server_while_no_kernel_is_served(place, mode):
    bridge = StdioServerParameters(
        command=sys.executable, args=["-m", "agentloop_nb", "mcp"], env=dict(os.environ), cwd=str(place)
    )
    async with Client(bridge, mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [tool["name"] for tool in TOOLS]
        assert (await client.list_resources()).resources == []
        assert (await client.list_prompts()).prompts == []
        answer = await client.call_tool("status", {})
        assert answer.is_error
        assert answer.content[0].text == NO_KERNEL


def test_noise_on_its_input_is_passed_over(place):
    answers = talk(place, "", "{", "[]", "null", "1", '{"jsonrpc":"2.0","method":"notifications/x"}', request("ping"))
    assert answers == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


def test_a_message_beyond_all_bounds_is_refused_and_the_next_one_answered(place):
    large = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"x": "y" * (3 * pipe.LIMIT)}})
    refused, answered = talk(place, large, request("ping"))
    assert (refused["id"], refused["error"]["code"]) == (7, -32600)
    assert answered["result"] == {}


def test_it_starts_without_what_is_heavy():
    code = "import sys, agentloop_nb.cli, agentloop_nb.bridge.pipe; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"mcp", "mcp_types", "IPython", "pydantic", "asyncio", "jupyter_core", "httpx2", "anyio", "ssl"}
    assert not heavy & set(done.stdout.split())


def test_a_kernel_whose_socket_is_dead_counts_as_none(place):
    announce(place, "dead", str(place))
    (answer,) = talk(place, request("tools/call", name="status"))
    assert answer["result"]["content"][0]["text"] == NO_KERNEL


@pytest.mark.parametrize(
    "other",
    [
        {"mode": 0o644},
        {"mode": 0o660},
        {"pid": 2**22 + 1},
        {"pid": 0},
        {"pid": "x"},
        {"at": "never"},
        {"token": None, "pid": -1},
    ],
)
def test_files_of_others_and_of_dead_kernels_are_passed_over(place, other):
    announce(place, "one", str(place), **other)
    assert alive() == []
    assert choose(None, place) == NO_KERNEL


def test_links_fifos_and_damaged_files_are_passed_over(place):
    real = announce(place, "one", str(place))
    real.rename(place / "elsewhere.json")
    real.symlink_to(place / "elsewhere.json")
    os.mkfifo(place / "rt" / "agentloop-pipe.json", 0o600)
    (place / "rt" / "agentloop-torn.json").write_text("{")
    (place / "rt" / "agentloop-torn.json").chmod(0o600)
    assert alive() == []


def test_the_kernel_that_is_named_else_the_nearest_else_the_only_one(place):
    here = place / "work" / "deep"
    announce(place, "far", "/srv/elsewhere")
    assert choose(None, here).name == "far"
    announce(place, "above", str(place / "work"))
    assert choose(None, here).name == "above"
    announce(place, "same", str(here))
    assert choose(None, here).name == "same"
    assert choose("far", here).name == "far"
    assert choose("far-id", here).name == "far"
    announce(place, "twin", str(here))
    assert "Several kernels are served: " in choose(None, here)
    assert "--kernel NAME" in choose(None, here)
    assert choose("nix", here).startswith("No kernel 'nix' is served; there is ")


def test_every_tool_says_what_it_does_and_every_step_needs_a_reason():
    for name, tool in BY_NAME.items():
        assert tool["description"].endswith((".", "runs nothing."))
        assert set(tool["annotations"]) == {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
        assert ("why" in tool["inputSchema"]["required"]) == (name in STEPS)
        assert ("outputSchema" in tool) == (name in STEPS)
    assert len(json.dumps(TOOLS)) < 10_000
    assert problem("status", {}) == ""


def test_the_skill_names_the_tools_and_is_printed(place):
    done = subprocess.run(
        [sys.executable, "-m", "agentloop_nb", "skill"], capture_output=True, text=True, check=True, cwd=place
    )
    assert done.stdout == skill()
    assert done.stdout.startswith("---\nname: ")
    for name in ("describe_namespace", "run_code", "undo", "restore", "status", "finish", "export"):
        assert f"`{name}`" in done.stdout


@pytest.mark.parametrize("newer", [True, False])
def test_a_handshake_is_repeated_only_for_a_client_that_still_speaks_so(place, newer):
    """A slow answer has a client try the handshake although it speaks the newer protocol; then the kernel restarts."""
    envelope = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}} if newer else {}
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(place / "sock"))
    listening.listen()
    listening.settimeout(60)
    announce(place, "one", str(place))
    read, write = os.pipe()
    with os.fdopen(read, "rb") as source, os.fdopen(write, "wb", buffering=0) as client, io.BytesIO() as sink:
        threading.Thread(target=pipe.Bridge(None, source, sink).run, daemon=True).start()
        for calls, handshakes in ((["initialize", "tools/call"], 1), (["tools/call"], 0 if newer else 1)):
            sent = [request(method, **(envelope if method != "initialize" else {})) for method in calls]
            client.write("".join(f"{line}\n" for line in sent).encode())
            kernel, _ = listening.accept()
            kernel.settimeout(60)
            with kernel, kernel.makefile("rb") as lines:
                assert lines.readline() == b"t\n"
                heard = []
                while "tools/call" not in heard:
                    heard.append(json.loads(lines.readline())["method"])
            assert heard.count("initialize") == handshakes
            wait_for(lambda: b"The kernel ended" in sink.getvalue())
            sink.seek(0)
            sink.truncate()
    listening.close()


NO_KERNELS = {
    "binary": b"\x00\xff\xfe" * 1000 + b"\n",
    "a list": b"[]\n",
    "a number": b"7\n",
    "nested": b"[" * 100_000 + b"\n",
    "not UTF-8": b'{"id": 1, "result": "\xff"}\n',
    "half a line": b'{"jsonrpc": "2.0", "id": 1',
    "a web server": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "nothing": b"",
}


@pytest.mark.parametrize("said", NO_KERNELS)
def test_what_is_no_kernel_is_left_and_the_client_is_told(place: Path, said: str) -> None:
    """Whatever listens at the named socket: each request is answered once, and nothing else reaches the client."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "sock"))
        listening.listen()
        announce(place, "one", str(place))
        threading.Thread(target=say, args=(listening, NO_KERNELS[said]), daemon=True).start()
        read, write = os.pipe()
        with os.fdopen(read, "rb") as source, os.fdopen(write, "wb", buffering=0) as client, io.BytesIO() as sink:
            threading.Thread(target=pipe.Bridge(None, source, sink).run, daemon=True).start()
            client.write(request("tools/call", name="status").encode() + b"\n")
            wait_for(lambda: sink.getvalue().endswith(b"\n"), "there is no answer")
            (answer,) = map(json.loads, sink.getvalue().splitlines())
        assert answer["id"] == 1
        assert answer["result"]["isError"]


def say(listening: socket.socket, what: bytes) -> None:
    """Answer one connection once it asked something, as what is no kernel would."""
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as lines:
        lines.readline()
        lines.readline()
        connection.sendall(what)


def test_an_endless_line_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "MOST_ANSWERED", 1000)
    monkeypatch.setitem(NO_KERNELS, "endless", b'{"id": 1, "result": "' + b"x" * 5000)
    test_what_is_no_kernel_is_left_and_the_client_is_told(place, "endless")


def test_a_place_that_is_no_socket_of_ours_counts_as_none(place: Path) -> None:
    for where in ("/dev/null", str(place), "/nowhere", "", "\0abstract", "127.0.0.1:0", "127.0.0.1:x", "x" * 500):
        announce(place, "one", str(place), socket=where)
        (answer,) = talk(place, request("tools/call", name="status")) if where == "/dev/null" else (None,)
        assert answer is None or answer["result"]["content"][0]["text"] == NO_KERNEL
        with pytest.raises(OSError):
            connect(alive()[0], b"")


def test_a_name_steers_no_terminal(place: Path) -> None:
    for name in ("a", "b"):
        file = announce(place, name, f"{place}\x1b]0;x\x07")
        file.write_text(json.dumps(json.loads(file.read_text()) | {"name": f"{name}\x1b[2J\u202e\n"}))
    told = choose(None, place)
    assert isinstance(told, str)
    assert told.isprintable()
    assert "Several kernels are served: " in told
