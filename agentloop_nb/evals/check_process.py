"""Evaluates checks: the process that a judge starts. Values are built from data; nothing of the run's is executed."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agentloop_nb.evals.expressions import variables_in
from agentloop_nb.evals.helpers import BUILTINS, Helpers
from agentloop_nb.isolated.codec import Builder
from agentloop_nb.isolated.unsupported import GONE, Refused

SECONDS = 20
"""What one expression may take."""
MEMORY = 4 * 2**30
"""Bytes of data that all values together may take."""
FIGURES = "_agentloop_figures"
"""What the figures of a run are bound to, as data."""

_REFUSED: tuple[str, ...] = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.kill",
    "os.remove",
)
_REFUSED += ("os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.truncate", "shutil.")
_REFUSED += ("subprocess.", "socket.connect", "socket.getaddrinfo", "pickle.find_class", "ctypes.dlopen")
"""Beginnings of the names of events that no comparison of values needs."""
_TABLES = re.compile(r"table|expected")
"""Helpers that read tables of files."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_CREAT


def main() -> None:
    """Read jobs as JSON from standard input, and write what each of their checks yielded."""
    _limit()
    sys.addaudithook(_refuse)
    told, sys.stdout = sys.stdout, sys.stderr
    json.dump([evaluated(job) for job in json.load(sys.stdin)], told)


def evaluated(job: dict[str, Any]) -> list[tuple[bool, str]]:
    """Evaluate all checks of one run: whether each holds, and what speaks against it."""
    values, refused = _values(job)
    helpers = Helpers(Path(job["folder"]), job["summary"], job["given"], job["expected"], values.pop(FIGURES, []))
    names = helpers.namespace() | {"values": values, "status": job["status"]}
    return [_evaluate(each, values, names, refused, helpers) for each in job["expressions"]]


def _values(job: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the variables that were handed over, and those that were not, with the reason."""
    values: dict[str, Any] = {}
    refused = dict(job["refused"])
    for number, name in enumerate(job["names"]):
        if name not in refused:
            try:
                values[name] = Builder(Path(job["packed"], str(number))).load("value.json")
            except (Refused, OSError) as error:
                refused[name] = str(error)
    return values, refused


def _evaluate(
    expression: str, values: dict[str, Any], names: dict[str, Any], refused: dict[str, str], helpers: Helpers
) -> tuple[bool, str]:
    helpers.remarks.clear()
    scope = {"__builtins__": {}} | values | BUILTINS | names | _libraries(expression)
    try:
        with _bounded(), _reading_only():
            found = _plain_bool(eval(expression.strip(), scope))  # noqa: S307 - the suite's own, in its own process
            why = "" if found else "; ".join(helpers.remarks) or _compared(expression, scope)
    except NameError as error:
        return False, _missing(error, expression, refused)
    except Exception as error:  # noqa: BLE001 - whatever a value makes an expression do
        return False, " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return found, why


_refusing: list[bool] = []
"""Not empty while a check is evaluated."""


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    """Audit hook: a check compares, it starts, sends, deletes and writes nothing. Raises `PermissionError`."""
    if _refusing and (event.startswith(_REFUSED) or (event == "open" and _writes(args))):
        raise PermissionError(f"a check only compares ({event} is refused)")


def _writes(args: tuple[Any, ...]) -> bool:
    return isinstance(args[2], int) and bool(args[2] & _WRITING)


@contextmanager
def _reading_only() -> Iterator[None]:
    _refusing.append(True)
    try:
        yield
    finally:
        _refusing.clear()


def _plain_bool(value: Any) -> bool:
    if type(value).__name__ not in ("bool", "bool_"):
        raise TypeError(f"it yields a {type(value).__name__}, not True or False")
    return bool(value)


def _libraries(expression: str) -> dict[str, Any]:
    """Those of pandas and numpy that an expression names; what helpers need is imported, which loads libraries of C."""
    found: dict[str, Any] = {}
    if _TABLES.search(expression):
        for name in ("pandas", "openpyxl"):
            with suppress(ImportError):
                importlib.import_module(name)
    if "pd" in expression:
        import pandas as pd

        found["pd"] = pd
    if "np" in expression:
        import numpy as np

        found["np"] = np
    return found


def _missing(error: NameError, expression: str, refused: dict[str, str]) -> str:
    """Why a variable is not there."""
    name = str(error.name)
    why = refused.get(name, GONE)
    if why != GONE and name in variables_in(expression):
        return f"{name}: {why}"
    return f"there is no variable {name}"


def _compared(expression: str, scope: dict[str, Any]) -> str:
    """Return what stands left of a comparison."""
    tree = ast.parse(expression.strip(), mode="eval").body
    if not isinstance(tree, ast.Compare):
        return ""
    left = ast.unparse(tree.left)
    told = repr(eval(left, scope))  # noqa: S307 - a part of the same expression
    return f"{left} is {told if len(told) <= 200 else told[:199] + '…'}"


@contextmanager
def _bounded() -> Iterator[None]:
    """End what takes too long. Raises `TimeoutError`."""
    if not hasattr(signal, "setitimer"):  # Windows; the judge's own limit ends the process
        yield
        return

    def end(*_: Any) -> None:
        raise TimeoutError(f"it took longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _limit() -> None:
    """Lower what this process may use; Windows knows no such limits."""
    try:
        import resource
    except ImportError:
        return
    for kind, amount in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CPU, 600), (resource.RLIMIT_FSIZE, 0)):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (amount, amount))
