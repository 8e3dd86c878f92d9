"""ARCHITECTURE.md tells the truth: each `file:function` it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

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
