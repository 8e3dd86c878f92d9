"""When to ask a person first, although nobody asked to be asked: code that follows what a stranger wrote.

What the user named in the goal, a note or a cell stays smooth. A question arises when a host, a command, a package or
a path came from a page, a search, a file or a table; when data or secrets would leave; when something outside the
folder would be deleted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from agentloop_nb._internal.steering_files import asked_for, steers
from agentloop_nb.actions import (
    Action,
    AskUser,
    Delegate,
    Finish,
    Query,
    ReadDocument,
    ReadUrl,
    RunCode,
    SearchWeb,
    UseTool,
    WriteFile,
)
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.actions.own_values import texts
from agentloop_nb.safety.code_risks import Reading, Target, as_cell, outside, read
from agentloop_nb.safety.code_risks.command_lines import Command
from agentloop_nb.safety.code_risks.constant_values import HOLE, Values
from agentloop_nb.safety.code_risks.flows import carried
from agentloop_nb.safety.code_risks.words import words
from agentloop_nb.safety.leaks import LINK, leaks, request_leaks
from agentloop_nb.safety.memory import Memory, plain_text
from agentloop_nb.safety.origins import Origins
from agentloop_nb.state import State

WAY_OUT = "--trust-web lets it through"

_DELETING = re.compile(r"\b(delet|remov|clean|clear|eras|purg|unlink|wipe|drop|empty|tidy)", re.IGNORECASE)
_HARMLESS_PATH = re.compile(
    r"/(site-packages|dist-packages)/|/lib/python3|^/(dev/(null|stdout|stderr)|proc/(cpuinfo|meminfo))"
)
_WELL_KNOWN = words(
    "altair anywidget beautifulsoup4 black bokeh bs4 catboost dask duckdb fastapi fastparquet flask gensim "
    "geopandas httpx ipykernel ipython ipywidgets jax joblib jupyter jupyterlab keras lightgbm lxml matplotlib "
    "networkx nltk numba numpy openai opencv-python openpyxl pandas pillow pip plotly polars prophet pyarrow "
    "pydantic pytest pyyaml requests rich scikit-image scikit-learn scipy seaborn setuptools shap shapely spacy "
    "sqlalchemy statsmodels sympy tabulate tensorflow torch torchvision tqdm transformers wheel xarray xgboost "
    "xlrd xlsxwriter yfinance"
)
"""Packages whose name says nothing about who suggested them."""


def reasons_to_ask(
    action: Action,
    state: State,
    *,
    cells: Sequence[str] = (),
    folder: Path | None = None,
    memory: Memory | None = None,
) -> tuple[str, ...]:
    """Say, a line each, why a person should see this action first; empty when there is no reason. Never raises.

    `cells` are the sources of the user's cells, `folder` the working folder; one `memory` serves one run.
    """
    judge = Judge(state, cells, folder, memory or Memory())
    return tuple(dict.fromkeys(reason for part in action.parts() for reason in judge.part(part)))


def denial(reasons: Sequence[str]) -> str:
    """Return what the model is told when nobody is there to ask."""
    why = "; ".join(reasons)
    return f"{why}. Nobody is there to allow it ({WAY_OUT}). Reach the goal another way, or finish and say so"


class Judge:
    """One action weighed against one state."""

    def __init__(self, state: State, cells: Sequence[str], folder: Path | None, memory: Memory) -> None:
        memory.take_in(state, cells)
        self._memory = memory
        self._origins = Origins(memory.said(state), memory.sources)
        self._folder = folder
        self._before = memory.code
        self._used, self._values = memory.used, memory.values

    def part(self, action: Action) -> Iterator[str]:
        """Judge an action that is its own only part."""
        match action:
            case RunCode(code=code):
                yield from self.code(code)
            case ReadUrl(url=asked) | SearchWeb(query=asked):
                yield from request_leaks(asked, self._origins)
            case WriteFile(filename=filename, content=content):
                yield from self.file(filename, content)
            case OwnAction():
                yield from self.own(action)
            case UseTool():
                yield from self.tool(action)
            case Delegate(tasks=tasks):
                for address in (link for task in tasks for link in LINK.findall(task.goal)):
                    yield from request_leaks(address, self._origins)
            case Query(sql=sql, source=source) if source:  # its server may be anybody's
                yield from request_leaks(sql, self._origins)
            case Finish() | AskUser() | ReadDocument() | Query():  # to the person, or of the folder and the kernel
                pass
            case _:
                yield f"nothing is known of what {action.name} touches"

    def own(self, action: OwnAction) -> Iterator[str]:
        """Yield a call whose arguments a stranger wrote, or that may carry the user's data out."""
        for name, value in action.arguments.items():
            for text in texts(value):
                if plain_text(text).strip():
                    yield from self._origins.of_argument(f"{name}={text[:60]!r}", text)
        if action.declared.reaches:
            given = [str(value) for value in action.arguments.values() if isinstance(value, int | float)]
            yield from request_leaks(" ".join([*texts(action.arguments), *given]), self._origins)

    def tool(self, action: UseTool) -> Iterator[str]:
        """Yield a call of a tool of a server, which may be anybody's: its hints about itself count for nothing."""
        texts = list(action.texts)
        for name, text in texts:
            if plain_text(text).strip():
                yield from self._origins.of_argument(f"{name}={text[:60]!r}", text)
        yield from request_leaks(" ".join(text for _, text in texts), self._origins)

    def code(self, code: str) -> Iterator[str]:
        reading = self._memory.read(code)
        yield from self._reading(reading)
        for script in self._scripts(code, reading):
            yield from self._reading(read(script, self._values))

    def file(self, filename: str, content: str) -> Iterator[str]:
        """Judge a file that somebody may execute later, as if it were executed now."""
        if (cell := as_cell(filename, content)) is not None:
            yield from self._reading(read(cell, Values()))

    def objects_to(self, code: str, *, strictly: bool = False) -> bool:
        """Whether code raises a question; `strictly`, also where it uses what neither the user nor a step named."""
        reading = read(code, Values())
        if next(self._reading(reading), None) is not None or "cannot be read" in reading.risks:
            return True
        said = "\n".join([self._origins.user, *self._before, *self._memory.written.values()])
        named = (target.name for target in reading.targets - self._used if target.kind != "path")
        return strictly and (bool(reading.built) or any(name not in said for name in named))

    def _reading(self, reading: Reading) -> Iterator[str]:
        new = sorted(reading.targets - self._used)
        for target in new:
            if target.kind == "host" and not self._origins.asked_for_host(target.name):
                yield from self._origins.of_name(f"the host {target.name!r}", target.name)
            elif target.kind == "package" and target.name not in _WELL_KNOWN:
                yield from self._origins.of_name(f"the package {target.name!r}", target.name, spelling=r"[-_.]")
            elif target.kind == "path" and self._leads_out(target.name) and not _HARMLESS_PATH.search(target.name):
                yield from self._origins.of_name(f"the path {target.name!r}", target.name)
        for command in reading.commands:
            yield from self._command(command)
        yield from self._deletions(reading)
        yield from self._steering(reading)
        yield from leaks(reading, self._used, self._origins)
        yield from self._unknown(reading)

    def _command(self, command: Command) -> Iterator[str]:
        if command.read_only or command.installs or Target("command", command.name) in self._used:
            return
        asked_for = re.search(rf"(?<![\w-]){re.escape(command.name)}(?![\w-])", self._origins.user)
        if asked_for or command.name.startswith("python"):
            return
        yield from self._origins.of_command(command)

    def _deletions(self, reading: Reading) -> Iterator[str]:
        if not reading.deleted and not reading.unknown_deletes:
            return  # what the user said is long to search
        tidying = _DELETING.search(self._origins.user) is not None
        for path in reading.deleted:
            made_here = Target("path", path) in self._used or path in reading.written
            if made_here or self._origins.says(path):
                continue
            if self._leads_out(path):
                yield f"it deletes {path!r}, outside the working folder"
            elif not tidying and path.strip("./") in ("", "*", "**", HOLE) and path != HOLE:
                yield f"it deletes everything in {path!r}"
            elif not tidying and path != HOLE and not self._made_by_run(path):
                yield from self._origins.of_name(f"the file it deletes, {path!r},", path)
        for node in reading.unknown_deletes:
            if not tidying and self._origins.sources and carried(node, reading.values):
                yield "it deletes files whose names are in data"

    def _steering(self, reading: Reading) -> Iterator[str]:
        """Files that tell an agent, an editor or Python what to do, and that the user did not ask to be written."""
        for path in dict.fromkeys([*reading.steered, *reading.outputs]):
            if steers(path) and not asked_for(path, self._origins.user):
                yield f"it writes {path!r}, which tells an agent, an editor or Python what to do"

    def _made_by_run(self, path: str) -> bool:
        return any(path in code for code in self._before)

    def _unknown(self, reading: Reading) -> Iterator[str]:
        """Yield what cannot be read beforehand."""
        if not self._origins.sources:
            return
        if reading.entangled or "cannot be read" in reading.risks:
            yield "it is too long or too entangled to be read beforehand"
        if reading.past_python:
            yield "it does something that nothing tells of while it runs (native code, a process, a signal)"
        for line in reading.unread:
            if not self._all_asked_for(reading) and plain_text(line.strip()) not in self._origins.user:
                yield f"{line.strip()[:80]!r} runs what only comes up while it runs"
        yield from self._unseen(reading)

    def _unseen(self, reading: Reading) -> Iterator[str]:
        """Yield what is executed and does not stand in the code."""
        for node in reading.built:
            if carried(node, reading.values) or (_from_web(node, reading) and not self._all_asked_for(reading)):
                yield "it executes text that is not known beforehand"
        if not self._all_asked_for(reading) and any(
            left.network and right.name in ("sh", "bash", "zsh", "python", "python3", "perl", "eval")
            for left, right in zip(reading.commands, reading.commands[1:], strict=False)
        ):
            yield "it executes what it downloads"
        for script in sorted(reading.runs):
            if script not in self._memory.written and not self._made_by_run(script):
                yield from self._origins.of_name(f"the script {script!r}", script)

    def _all_asked_for(self, reading: Reading) -> bool:
        """Whether every host of the code was named by the user."""
        named = {host for sending in reading.sendings for host in sending.hosts}
        return bool(named) and all(map(self._origins.asked_for_host, named))

    def _scripts(self, code: str, reading: Reading) -> Iterator[str]:
        """Yield the contents of files of this run that the code would execute."""
        executed = {run.removeprefix("./") for run in reading.runs}
        executed |= {name for command in reading.commands for name in command.executed}
        for name, content in self._memory.written.items():
            stem = name.removesuffix(".py").replace("/", ".")
            imported = re.search(rf"\b(import|from)\s+[\w, .]*\b{re.escape(stem)}\b", code)
            if name in executed or (name.endswith(".py") and imported):
                yield as_cell(name, content) or f"%%bash\n{content}"

    def _leads_out(self, path: str) -> bool:
        if not outside(path):
            return False
        if self._folder is None:
            return True
        try:
            return not Path(path).expanduser().resolve().is_relative_to(self._folder.resolve())
        except (OSError, RuntimeError, ValueError):
            return True


def _from_web(node: ast.AST, reading: Reading) -> bool:
    """Whether a value may be an answer of the web."""
    return "network" in reading.risks and any(isinstance(part, ast.Call) for part in ast.walk(node))
