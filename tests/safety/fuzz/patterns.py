"""Every regular expression of the package, with how it is used; and texts made to stall it."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import agentloop_nb
from agentloop_nb._internal import safe_files
from agentloop_nb.actions import file_names, mending
from agentloop_nb.agent import figures, grounding, offer
from agentloop_nb.documents import spreadsheets
from agentloop_nb.export import finding
from agentloop_nb.mcp_tools import tool
from agentloop_nb.models import refusal
from agentloop_nb.notebook.panel import html
from agentloop_nb.safety import holders
from agentloop_nb.safety.code_risks import ipython_cells, shell_evaluation

sre, parser = importlib.import_module("re._constants"), importlib.import_module("re._parser")  # they carry no types
ROOT = Path(agentloop_nb.__file__).parent
METHODS = frozenset({"search", "match", "fullmatch", "sub", "subn", "findall", "finditer", "split"})
UNITS = (
    *("\\", " ", "\n", "[", "](", "![", "`", "1", "/", "<", "$", "a.", "a b/", "\r", "\x1b[", "\x1b]", "eyJ", "eyJa."),
    *(
        "a://",
        "password=",
        "token: ",
        "-----BEGIN ",
        "sk-",
        "```\n",
        "- ",
        '"a": ',
        "Bearer ",
        "\u202e",
        "1.",
        "%",
        "'",
    ),
)

MEGABYTE = 1_000_000
FROM_ONE = 16
"""Texts that are made of one that matches, which is what costs."""


class Use(NamedTuple):
    """One pattern, and a method that the package calls on it."""

    name: str
    """`module:_NAME.method`, or the number of the line where it has no name."""
    pattern: re.Pattern[Any]
    method: str

    def run(self, text: str) -> None:
        """Do what the package does with a text; every match is looked for."""
        subject = text.encode("utf-8", "replace") if isinstance(self.pattern.pattern, bytes) else text
        if self.method in ("match", "fullmatch", "search"):
            getattr(self.pattern, self.method)(subject)
        else:
            for _ in self.pattern.finditer(subject):
                pass


@functools.cache
def uses() -> list[Use]:
    """Find all patterns of the package, named ones by what the package does with them."""
    trees = {path: _parsed(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
    called: dict[str, set[str]] = {}
    for tree in trees.values():
        for owner, method in _calls(tree):
            called.setdefault(owner, set()).add(method)
    return [use for path, tree in trees.items() for use in _of_file(path, tree, called)]


def _parsed(source: str) -> ast.Module:
    """Python 3.11 fails now and then where another thread parses at the same time."""
    for _ in range(20):
        with contextlib.suppress(SystemError):
            return ast.parse(source)
    return ast.parse(source)


def _calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names, and methods of patterns that are used of them: `_WORD.match`, `tables.WORD.match`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            owner = node.value
            yield getattr(owner, "id", "") or getattr(owner, "attr", ""), node.attr


def _of_file(path: Path, tree: ast.AST, called: dict[str, set[str]]) -> Iterator[Use]:
    relative = path.relative_to(ROOT.parent).with_suffix("")
    label = "/".join(relative.parts[1:])
    if any(isinstance(node, ast.Import) and node.names[0].name == "re" for node in ast.walk(tree)):
        here = list(_calls(tree))
        for name, value in vars(importlib.import_module(".".join(relative.parts))).items():
            if isinstance(value, re.Pattern):
                own = {method for owner, method in here if owner == name}
                for method in sorted(own or called.get(name) or {"fullmatch"}):
                    yield Use(f"{label}:{name}.{method}", value, method)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_re(node.func):
            yield from _written_out(node.args[0], node.func.attr, f"{label}:{node.lineno}")


def _is_re(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Name) and function.value.id == "re" and function.attr in METHODS


def _written_out(first: ast.expr, method: str, label: str) -> Iterator[Use]:
    """A call such as `re.sub(...)` whose pattern stands there."""
    if isinstance(first, ast.Constant):
        yield Use(f"{label}.{method}", re.compile(first.value), method)
    elif isinstance(first, ast.JoinedStr):  # what is filled in counts as a word
        filled = "".join(part.value if isinstance(part, ast.Constant) else "word" for part in first.values)
        yield Use(f"{label}.{method}", re.compile(filled), method)


# -- texts that a pattern is slow on


def attacks(pattern: re.Pattern[Any], chance: random.Random, size: int) -> Iterator[str]:
    """Yield texts without end: pieces of what matches, again and again, and at the end something that does not."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parsed = parser.parse(source, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags)
    while True:
        found = "".join(_sample(parsed, chance))
        for _ in range(FROM_ONE):
            yield _repeated(found, chance, size)


def _repeated(found: str, chance: random.Random, size: int) -> str:
    """A piece of what matches, again and again."""
    first, last = sorted((chance.randrange(len(found) + 1), chance.randrange(len(found) + 1)))
    unit = found[first:last] or chance.choice(UNITS)
    if chance.random() < 0.3:
        unit = chance.choice(unit)
    head = chance.choice(("", found[:first], found[:last], "x = "))
    end = chance.choice(("", "\0", "\n", "!", found[last:], " x"))
    return (head + unit * max(1, size // len(unit)))[:size] + end


def _sample(parsed: Any, chance: random.Random) -> Iterator[str]:
    """Pieces of a text that a parsed pattern (almost) matches."""
    for kind, value in parsed:
        if kind in (sre.LITERAL, sre.NOT_LITERAL):
            yield chr(value) if kind is sre.LITERAL else chance.choice("a \n1.")
        elif kind is sre.ANY:
            yield chance.choice("a 1./")
        elif kind is sre.IN:
            yield _of_set(value, chance)
        elif kind is sre.BRANCH:
            yield from _sample(chance.choice(value[1]), chance)
        elif kind in (sre.SUBPATTERN, sre.ATOMIC_GROUP, sre.ASSERT):
            yield from _sample(value if kind is sre.ATOMIC_GROUP else value[-1], chance)
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            low, high, inner = value
            for _ in range(chance.randint(low, max(low, min(high, low + 3)))):
                yield from _sample(inner, chance)


def _of_set(items: Any, chance: random.Random) -> str:
    if items[0][0] is sre.NEGATE:
        return chance.choice("a \n1./é")
    kind, value = chance.choice(items)
    if kind is sre.LITERAL:
        return chr(value)
    if kind is sre.RANGE:
        return chr(chance.randint(*value))
    return {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": chance.choice(" \n"), "CATEGORY_WORD": "a"}.get(str(value), "-")


# -- how much of a text a pattern gets to see

LET_THROUGH = {
    "actions/action:": 200,  # names of our own classes
    "actions/file_names:": file_names.MOST_READ,
    "actions/mending:_BEFORE_IT": mending.LONGEST_BEFORE_IT,
    "actions/mending:_CLOSING": mending.MOST_MARKS,
    "agent/code_as_text:_OF_CODE": file_names.MOST_READ,
    "agent/durations:_SHOWN": grounding.MOST_READ,
    "agent/durations:": figures.LONGEST,
    "agent/figures:_FIGURE": figures.LONGEST,
    "agent/figures:_ABOUT": 20,
    "agent/figures:_NO_FIGURE": 20,
    "agent/figures:": grounding.MOST_READ,
    "agent/objections:": file_names.MOST_READ,
    "agent/offer:": offer.MOST_READ,
    "agent/spoken_dates:": grounding.MOST_READ,
    "documents/spreadsheets:_QUOTED": spreadsheets.LONGEST_CODE,
    "evals/closed_answers:": 10_000,
    "export/finding:": finding.MOST_READ,
    "mcp_tools/tool:_MARKUP": tool.MOST_PLAIN,
    "models/dialect:_BELOW": 40,
    "models/dialect:": refusal.LONGEST_TEXT,
    "models/faults:": refusal.LONGEST_TEXT,
    "models/messages_dialect:": refusal.LONGEST_TEXT,
    "models/refusal:": refusal.LONGEST_TEXT,
    "notebook/panel/html:_COMMAND": html.LONGEST_REASON,
    "notebook/kernel/schema_facts:": 200,  # names of dtypes
    "safety/code_risks/shell_arithmetic": shell_evaluation.MAX_LINE,
    "safety/code_risks/shell_evaluation": shell_evaluation.MAX_LINE,
    "safety/code_risks/": ipython_cells.MAX_CODE,
    "safety/secret_files:_NAMES": safe_files.MAX_NAME,
    "safety/secret_files:_PUBLIC": safe_files.MAX_NAME,
    "safety/written_secrets:": holders.MAX_TEXT,
}
"""Characters that callers cut a text to before these patterns; any other is measured on a megabyte."""


def let_through(use: Use) -> int:
    """Return how many characters the callers of a pattern let through."""
    return next((size for name, size in LET_THROUGH.items() if use.name.startswith(name)), MEGABYTE)


# -- measuring


def cost(function: Callable[[str], object], text: str, times: int = 1) -> float:
    """Seconds of processor time, the best of some times."""
    spent = []
    for _ in range(times):
        begun = time.process_time()
        function(text)
        spent.append(time.process_time() - begun)
    return min(spent)


def grows_faster(function: Callable[[str], object], make: Callable[[int], str], size: int, floor: float) -> bool:
    """Whether twice the text costs much more than twice the time."""
    if cost(function, make(size // 16)) > floor:  # so slow already that more would take forever
        return cost(function, make(size // 16), 3) > floor
    if cost(function, make(size)) < floor:
        return False
    whole, half = (cost(function, make(each), 3) for each in (size, size // 2))
    return whole > floor and whole > 3 * max(half, floor / 2)


def short_texts(chance: random.Random) -> Iterator[str]:
    """Yield short texts without end, put together of what patterns look for."""
    pieces = [*UNITS, "word", "é", "\u200b", "://", "@", "x=1", '"', "{", "}", "(", ")", ":", "#", "|", "**", "&", "\0"]
    while True:
        yield "".join(chance.choices(pieces, k=chance.randint(1, 24)))
