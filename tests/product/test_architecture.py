"""ARCHITECTURE.md tells the truth: each `file:function` it names exists, and a goal takes the way that it tells."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import agentloop_nb
from agentloop_nb.notebook.kernel.private_shell import private_shell
from tests.wire import Wire, finish

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
HOPS = sorted(set(re.findall(r"`([\w/]+\.py)(?::([\w.]+))?`", PAGE)))


def _defined(path: Path) -> set[str]:
    """Names a module defines, members of its classes as `Class.name`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{member.name}" for member in node.body if hasattr(member, "name")}
    return found


def test_the_page_names_hops():
    assert len(HOPS) > 40


@pytest.mark.parametrize(("file", "name"), HOPS)
def test_what_the_page_names_exists(file: str, name: str):
    place = ROOT / file if file.startswith("tests/") else ROOT / "agentloop_nb" / file
    assert place.is_file()
    assert not name or name in _defined(place)


def test_every_room_is_told():
    rooms = {path.name for path in (ROOT / "agentloop_nb").iterdir() if (path / "__init__.py").is_file()}
    told = set(re.findall(r"`(\w+)/`", PAGE))
    assert rooms - told - {"demo"} == set()


def test_the_glossary_stays_short():
    terms = re.findall(r"\*\*([\w ]+)\*\*:", PAGE.partition("## Glossary")[2])
    assert len(terms) <= 30
    assert len(terms) == len(set(terms))


LIFE = PAGE.partition("## Life of a goal")[2].partition("From a shell")[0]
CELL = "%%agent -m scripted --quiet --base-url {}\nsay hello"


def _awaited(coroutine: Any) -> Iterator[str]:
    """The files of a coroutine and of those that it awaits."""
    while inspect.iscoroutine(coroutine):
        yield coroutine.cr_code.co_filename
        coroutine = coroutine.cr_await


async def _files_at_the_first_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Run a cell; return the files of the package on the call stack as its first request leaves, and of its task."""
    package, found = Path(agentloop_nb.__file__).parent, []
    send = httpx2.AsyncClient.send

    async def looked(*arguments: Any, **options: Any) -> Any:
        names = [frame.filename for frame in inspect.stack(context=0)]
        names += [name for task in asyncio.all_tasks() for name in _awaited(task.get_coro())]
        found.append({str(Path(name).relative_to(package)) for name in names if name.startswith(f"{package}{os.sep}")})
        return await send(*arguments, **options)

    monkeypatch.chdir(folder)
    monkeypatch.setattr(httpx2.AsyncClient, "send", looked)
    shell = private_shell()
    shell.run_line_magic("load_ext", "agentloop_nb")
    with Wire([finish("Hello.")]) as wire:
        cell = CELL.format(wire.base_url)
        await shell.run_cell_async(cell, transformed_cell=shell.transform_cell(cell))
    return found[0]


async def test_the_life_of_a_goal_is_the_call_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    passed = await _files_at_the_first_request(tmp_path, monkeypatch)
    assert passed >= {"notebook/magic.py", "agent/loop.py", "models/exchange.py"}
    named = set(re.findall(r"`([\w/]+\.py)", LIFE))
    assert passed <= named, f"not told: {passed - named}"
    assert len(named) <= 25
    assert len(re.findall(r"^\d+\. ", LIFE, re.MULTILINE)) <= 15
