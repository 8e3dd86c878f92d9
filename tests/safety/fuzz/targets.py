"""What is fuzzed: each target takes bytes and raises only if a promise is broken. `SEEDS` are where a search begins."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import ipaddress
import json
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import nbformat

from agentloop_nb._internal.held_folder import HeldFolder
from agentloop_nb.actions import ActionResult, Finish, ReadUrl, RunCode, SearchWeb, WriteFile
from agentloop_nb.actions.output_text import bounded, final_lines, strip_ansi
from agentloop_nb.agent.prompt import compose
from agentloop_nb.decision import Decision, parse
from agentloop_nb.demo import RECORD
from agentloop_nb.errors import ActionFailed, DecisionError, UserError
from agentloop_nb.events import ActionFinished, AnyEvent, DecisionMade, RunFinished, RunStarted
from agentloop_nb.export import export
from agentloop_nb.notebook.panel.html import plain_text, static_html
from agentloop_nb.notebook.panel.native_outputs import final_outputs
from agentloop_nb.notebook.panel.outputs import blocks, markdown, sanitise, text_block
from agentloop_nb.notebook.panel.safe_text import Lines
from agentloop_nb.protocols import Change
from agentloop_nb.record import reading
from agentloop_nb.state import fold
from agentloop_nb.web.guard import GuardedTransport, is_public
from tests.panel.hostile import CORPUS
from tests.panel.test_hostile import MARKS, faults

Target = Callable[[bytes], None]


def decision(data: bytes) -> None:
    """A reply is a decision, which survives its own record, or it is rejected in words."""
    with contextlib.suppress(DecisionError):
        made = parse(data.decode(errors="replace"))
        assert Decision.model_validate(json.loads(json.dumps(made.record()))) == made


@cache
def _folder() -> HeldFolder:
    return HeldFolder("fuzz")


def record(data: bytes) -> None:
    """A damaged record is named as such in one line; a whole one can be folded, prompted, shown and exported."""
    path = Path(_folder().name) / "fuzzed.jsonl"
    path.write_bytes(data)
    try:
        events = reading.read(path)
    except UserError as error:
        told = str(error)
    else:
        told = ""
    assert "\n" not in told[:300]
    if told:
        return
    state = fold(events)
    compose(state)
    assert faults(static_html(state), MARKS) == []
    _exported(events)


def exporter(data: bytes) -> None:
    """Whatever stands in a run, its export is a valid notebook, a script that can be read, and the same twice."""
    _exported(list(_run_of(data.decode(errors="replace").split("\x1e"))))


def _exported(events: Sequence[AnyEvent]) -> None:
    folder = Path(_folder().name)
    made = []
    for name in ("a.ipynb", "b.ipynb", "c.py"):
        try:
            made.append(export(events, folder / name, folder=folder).read_text(encoding="utf-8"))
        except UserError:
            return
    assert made[0] == made[1]
    nbformat.validate(nbformat.reads(made[0], as_version=4))
    ast.parse(made[2])


def _run_of(texts: list[str]) -> Iterator[AnyEvent]:
    """A run in which the texts stand in every place a text can come from."""

    def text() -> str:
        return (texts.pop(0) if len(texts) > 1 else texts[0]) or "x"

    yield RunStarted(run="r", goal=text(), context=text(), settings={}, cells=(text(), text()), at=1.0)
    actions = [
        RunCode(code=text()),
        WriteFile(filename=text(), content=text()),
        ReadUrl(url=text()),
        SearchWeb(query=text()),
        RunCode(code=text()),
        Finish(summary=text()),
    ]
    for number, action in enumerate(actions, 1):
        yield DecisionMade(step=number, at=1.0, decision=Decision(reasoning=text(), action=action))
        outputs = (
            {"output_type": "stream", "name": "stdout", "text": text()},
            {"output_type": "display_data", "data": {"text/html": text(), "text/plain": text()}, "metadata": {}},
            {"output_type": "error", "ename": "E", "evalue": text(), "traceback": [text()]},
        )
        shown = outputs[: 3 if number == 5 else 2] if isinstance(action, RunCode) else ()
        changes = (Change(name=text(), how="added", type=text()),)
        told = ActionResult(success=number != 5, output=text(), outputs=shown, changes=changes)
        yield ActionFinished(step=number, at=1.0, result=told)
    yield RunFinished(step=len(actions), status="finished", summary=text(), artifacts=(text(),), at=1.0)


async def _numbers_only(host: str, port: int) -> Sequence[str]:
    """Numbers in any notation are the system's to read, as a real resolver does; names are unknown."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(item[4][0]) for item in found]


def address(data: bytes) -> None:
    """The guard lets no address through that is not global, in whatever notation, and fails in words only."""
    text = data.decode(errors="replace")
    for part in (text, text.partition("://")[2]):
        with contextlib.suppress(ValueError):
            ip = ipaddress.ip_address(part.partition("%")[0])
            assert not is_public(part) or (ip.is_global and not ip.is_multicast)
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError):
        return
    guard = GuardedTransport(resolver=_numbers_only)
    with contextlib.suppress(ActionFailed, httpx2.ConnectError):
        found = asyncio.run(guard._vet(url, proxied=False))
        assert all(ipaddress.ip_address(each).is_global for each in found), found


def terminal(data: bytes) -> None:
    """Terminal text becomes lines of safe HTML, the same in whatever pieces it comes, within its bound."""
    text = data.decode(errors="replace")
    block = text_block(text)
    assert faults("\n".join([*block["head"], *block["tail"]])) == []
    whole, pieces = Lines(), Lines()
    whole.feed(text)
    half = len(text) // 2
    for piece in (text[:half], text[half:]):
        pieces.feed(piece)
    if len(text) < Lines.WIDTH and text[half - 1 : half + 1] != "\r\n":
        assert [*whole.head, *whole.ending()] == [*pieces.head, *pieces.ending()]
    assert sum(map(len, whole.head)) < 40 * (Lines.HEAD + 100)
    assert "\x1b[" not in strip_ansi(text) or not re.search(r"\x1b\[[0-?]*[ -/]*[@-~]", strip_ansi(strip_ansi(text)))
    assert len(bounded(final_lines(text), 100)) < 200


def html(data: bytes) -> None:
    """Foreign HTML and Markdown keep nothing that runs or fetches."""
    text = data.decode(errors="replace")
    outputs: list[dict[str, Any]] = [
        {"output_type": "display_data", "data": {"text/html": f"<table>{text}"}, "metadata": {}},
        {"output_type": "display_data", "data": {"text/markdown": text, "image/svg+xml": text}, "metadata": {}},
    ]
    for made in (sanitise(text), markdown(text), *(block.get("html", "") for block in blocks(outputs))):
        assert faults(made) == [], made
    events = list(_run_of([text] * 60))
    page = static_html(fold(events))
    assert faults(page, MARKS) == []
    plain_text(fold(events))
    final_outputs(fold(events))


TARGETS: dict[str, Target] = {
    "decision": decision,
    "record": record,
    "exporter": exporter,
    "address": address,
    "terminal": terminal,
    "html": html,
}
_HOSTILE = [nasty.encode(errors="replace") for nasty in CORPUS if len(nasty) < 10_000]
_LINES = RECORD.read_bytes().splitlines(keepends=True)
SEEDS: dict[str, list[bytes]] = {
    "decision": [
        b'{"reasoning": "so", "action": {"name": "run_code", "code": "print(1)", "timeout": 30}}',
        b'```json\n{"action": "run_code", "reasoning": "so", "input": {"code": "1"}}\n```',
        b'{"reasoning": "so", "action": {"name": "search_web", "query": "a", "num_results": 1e9}}',
        b'{"reasoning": "so", "action": {"name": "read_url", "url": "https://a.b", "max_length": "100"}}',
        b'{"reasoning": "so", "action": {"name": "finish", "summary": "done", "artifacts": ["a"]}}',
    ],
    "record": [
        b"".join(_LINES),
        b"".join(_LINES[:3]),
        _LINES[0],
        b"\n".join(
            [
                b'{"format": 1, "kind": "run_started", "run": "r", "goal": "g", "context": "", "settings": {}}',
                b'{"kind": "steps_undone", "first": 0}',
                b'{"kind": "action_finished", "step": 9, "result": {"success": true, "output": "", "outputs": []}}',
            ]
        ),
    ],
    "exporter": [
        b"goal\x1econtext\x1eimport os\x1e%%time\nx = 1\x1e!ls {x}\x1ea.txt\x1econtent\x1ehttps://a.b\x1equery\x1e%%bash\nls",
        b"%%agent\x1e<<data\x1e%pip install x\x1e```\x1e'''\x1e../x\x1e\"\"\"\x1e\x1e\x1edef f(:\x1e# %%\x1ex?",
        *_HOSTILE,
    ],
    "address": [
        b"https://example.org/a?b#c",
        b"http://[::ffff:127.0.0.1]:80/",
        b"http://0x7f.1/",
        b"http://2130706433/",
        b"http://user:password@host/",
        "http://①②⑦.⓪.⓪.①/".encode(),
        b"http://[fe80::1%25eth0]/",
        b"http://017700000001/",
        b"93.184.215.14",
        b"http://127.0.0.1:99999999999999999999/",
    ],
    "terminal": [
        b"\x1b[31mred\x1b[0m plain\r\n10%\r20%\rdone\n",
        b"\x1b[38;5;200;48;2;1;2;3mx\x1b]8;;http://a\x07y\x1b]8;;\x07",
        b"abc\b\b\bxyz\x1b[2K\x1b[1A",
        *_HOSTILE,
    ],
    "html": _HOSTILE,
}
GROWING = (
    *"[{(<&\\`*_$\x1b\b\r\n \t\"'%!\u202e",
    *("\x1b[", "\x1b]", "\x1b[1;", "a\b", "x\r\n", "e\u0301", "<b>", "</b>", "<td>", "<!--", "<a href='", "&#", "$$"),
    *("![", "[a](", "](", "> ", "- ", "|a", "```", "~~", "\n> ", "\n- ", "\n    ", "\\(", "{x}", "data>>", "<<data"),
    *("http://", "1.", "::", "0x"),
)
"""Fragments that are repeated: an input that grows must not take forever."""


def repeated(size: int) -> Iterator[bytes]:
    """Inputs of about `size` characters, each of one fragment over and over, alone and as a pair of two halves."""
    for fragment in GROWING:
        yield (fragment * (size // len(fragment))).encode()
    for first, second in (("a", "\b"), ("[", "]"), ("<b>", "</b>"), ("(", ")"), ("*a", "*"), ("\x1b[1m", "\r")):
        yield (first * (size // 2 // len(first)) + second * (size // 2 // len(second))).encode()
