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
from agentloop_nb.actions import Action, Delegate, Query, ReadUrl, RunCode, SearchWeb, UseTool, WriteFile
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.actions.own_values import texts
from agentloop_nb.safety.code_risks import Reading, Target, as_cell, hosts, outside, read
from agentloop_nb.safety.code_risks.command_lines import Command
from agentloop_nb.safety.code_risks.constant_values import HOLE, Values
from agentloop_nb.safety.code_risks.flows import carried
from agentloop_nb.safety.code_risks.places import host_of
from agentloop_nb.safety.code_risks.words import words
from agentloop_nb.safety.freight import MANY, carried_words, holds_own, is_own
from agentloop_nb.safety.memory import Memory, plain_text
from agentloop_nb.safety.provenance import TOOLS
from agentloop_nb.state import State

WAY_OUT = "--trust-web lets it through"

_DELETING = re.compile(r"\b(delet|remov|clean|clear|eras|purg|unlink|wipe|drop|empty|tidy)", re.IGNORECASE)
_ADDRESSES = re.compile(
    r"\b(urls?|links?|address(es)?|web ?sites?|domains?|pages?|download|fetch|crawl|scrape|https?)\b"
)
"""Words of a goal that is about following addresses."""
_LINK = re.compile(r"https?://[^\s<>\"']+")
"""An address as a document or a tool writes it: to follow it tells nothing that it does not say itself."""
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
    """What the model is told when nobody is there to ask."""
    why = "; ".join(reasons)
    return f"{why}. Nobody is there to allow it ({WAY_OUT}). Reach the goal another way, or finish and say so"


class Judge:
    """One action weighed against one state."""

    def __init__(self, state: State, cells: Sequence[str], folder: Path | None, memory: Memory) -> None:
        memory.take_in(state, cells)
        self._memory = memory
        self._user = memory.said(state)
        self._folder = folder
        self._sources, self._before = memory.sources, memory.code
        self._used, self._values = memory.used, memory.values

    def part(self, action: Action) -> Iterator[str]:
        """Judge an action that is its own only part."""
        match action:
            case RunCode(code=code):
                yield from self.code(code)
            case ReadUrl(url=url):
                yield from self.request(url)
            case SearchWeb(query=query):
                yield from self.request(query)
            case WriteFile(filename=filename, content=content):
                yield from self.file(filename, content)
            case OwnAction():
                yield from self.own(action)
            case UseTool():
                yield from self.tool(action)
            case Delegate(tasks=tasks):
                for address in (link for task in tasks for link in _LINK.findall(task.goal)):
                    yield from self.request(address)
            case Query(sql=sql, source=source) if source:  # its server may be anybody's
                yield from self.request(sql)
            case _:
                pass

    def own(self, action: OwnAction) -> Iterator[str]:
        """A call whose arguments a stranger wrote, or that may carry the user's data out."""
        for name, value in action.arguments.items():
            for text in texts(value):
                if plain_text(text).strip():
                    yield from self._from_stranger(f"{name}={text[:60]!r}", text)
        if action.reaches:
            given = [str(value) for value in action.arguments.values() if isinstance(value, int | float)]
            yield from self.request(" ".join([*texts(action.arguments), *given]))

    def tool(self, action: UseTool) -> Iterator[str]:
        """A call of a tool of a server, which may be anybody's: its hints about itself count for nothing."""
        texts = list(action.texts)
        for name, text in texts:
            if plain_text(text).strip():
                yield from self._from_stranger(f"{name}={text[:60]!r}", text)
        yield from self.request(" ".join(text for _, text in texts))

    def _from_stranger(self, what: str, text: str) -> Iterator[str]:
        """Name the page, search, file or tool that an argument stands in and that the user did not say."""
        plain = plain_text(text).strip()
        if plain in self._user:
            return
        for source in self._sources:
            if source.origin == TOOLS and (len(plain) < 3 or f'"{plain}"' in source.text):
                continue  # one of the choices that the list of tools names
            if plain in source.text and "output of" not in source.origin and "namespace" not in source.origin:
                yield f"the argument {what} comes from {source.origin}"
                return

    # -- code

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
        said = "\n".join([self._user, *self._before, *self._memory.written.values()])
        named = (target.name for target in reading.targets - self._used if target.kind != "path")
        return strictly and (bool(reading.built) or any(name not in said for name in named))

    def _reading(self, reading: Reading) -> Iterator[str]:
        new = sorted(reading.targets - self._used)
        for target in new:
            if target.kind == "host" and not self._asked_for_host(target.name):
                yield from self._from_source(f"the host {target.name!r}", target.name)
            elif target.kind == "package" and target.name not in _WELL_KNOWN:
                yield from self._from_source(f"the package {target.name!r}", target.name, spelling=r"[-_.]")
            elif target.kind == "path" and self._leads_out(target.name) and not _HARMLESS_PATH.search(target.name):
                yield from self._from_source(f"the path {target.name!r}", target.name)
        for command in reading.commands:
            yield from self._command(command)
        yield from self._deletions(reading)
        yield from self._steering(reading)
        yield from self._leaks(reading)
        yield from self._unknown(reading)

    def _from_source(self, what: str, name: str, *, spelling: str = "") -> Iterator[str]:
        """Name the origin of something the user did not name; characters of `spelling` stand for one another."""
        plain = plain_text(name)
        spellings = re.split(spelling, plain) if spelling else [plain]
        word = re.compile(rf"(?<![\w-]){spelling.join(map(re.escape, spellings))}(?![\w-])")
        if word.search(self._user):
            return
        for source in self._sources:
            if spellings[0] in source.text and word.search(source.text):
                yield f"{what} comes from {source.origin}"
                return

    def _asked_for_host(self, host: str) -> bool:
        """Whether the user named a host, or the domain it belongs to."""
        if host in ("localhost", "127.0.0.1", "::1"):
            return False
        named = hosts(self._user) | {word for line in self._user.split() for word in hosts(line, bare=True)}
        bare = host.removeprefix("www.")
        return any(
            bare == name.removeprefix("www.") or bare.endswith(f".{name.removeprefix('www.')}") for name in named
        )

    def _command(self, command: Command) -> Iterator[str]:
        if command.read_only or command.installs or Target("command", command.name) in self._used:
            return
        if re.search(rf"(?<![\w-]){re.escape(command.name)}(?![\w-])", self._user) or command.name.startswith("python"):
            return
        first = next((word for word in command.words[1:] if HOLE not in word), "")
        line = plain_text(f"{command.words[0]} {first}".strip())
        for source in self._sources:
            if (
                line in source.text
                if first
                else re.search(rf"[`$'\"\n]\s*{re.escape(line)}\s*[`'\"\n]", f"\n{source.text}\n")
            ):
                yield f"the command {' '.join(command.words)[:80]!r} comes from {source.origin}"
                return

    def _deletions(self, reading: Reading) -> Iterator[str]:
        if not reading.deleted and not reading.unknown_deletes:
            return  # what the user said is long to search
        tidying = _DELETING.search(self._user) is not None
        for path in reading.deleted:
            made_here = Target("path", path) in self._used or path in reading.written
            if made_here or self._said(path):
                continue
            if self._leads_out(path):
                yield f"it deletes {path!r}, outside the working folder"
            elif not tidying and path.strip("./") in ("", "*", "**", HOLE) and path != HOLE:
                yield f"it deletes everything in {path!r}"
            elif not tidying and path != HOLE and not self._made_by_run(path):
                yield from self._from_source(f"the file it deletes, {path!r},", path)
        for node in reading.unknown_deletes:
            if not tidying and self._sources and carried(node, reading.values):
                yield "it deletes files whose names are in data"

    def _steering(self, reading: Reading) -> Iterator[str]:
        """Files that tell an agent, an editor or Python what to do, and that the user did not ask to be written."""
        for path in dict.fromkeys([*reading.steered, *reading.outputs]):
            if steers(path) and not asked_for(path, self._user):
                yield f"it writes {path!r}, which tells an agent, an editor or Python what to do"

    def _made_by_run(self, path: str) -> bool:
        return any(path in code for code in self._before)

    # -- what leaves

    def _leaks(self, reading: Reading) -> Iterator[str]:
        elsewhere = {target.name for target in reading.targets | self._used if target.kind == "host"}
        for sending in reading.sendings:
            # A connection is often opened in one place and used in another.
            receivers = sending.hosts or elsewhere
            if receivers and all(map(self._asked_for_host, receivers)):
                continue
            freight: set[str] = set()
            for part in sending.payload:
                freight |= carried(part, reading.values)
            if not sending.hosts and not sending.sends and sending.payload:
                addressed = freight and carried(sending.payload[0], reading.values)
                if addressed and self._sources and not _ADDRESSES.search(self._user):
                    yield "it goes to an address that stands in data"
                freight &= {"secrets"}
            if sending.sends and not sending.payload:
                freight.add("data")
            if freight:
                where = ", ".join(sorted(sending.hosts)) or "an address that is not known beforehand"
                yield f"it sends {', '.join(sorted(freight))} to {where}"

    def request(self, text: str) -> Iterator[str]:
        """A search or an address that carries what only the user's data holds."""
        own = [source for source in self._sources if holds_own(source)]
        foreign = [source.text for source in self._sources if not is_own(source)]
        links = (link for source in own if not is_own(source) for link in _LINK.findall(source.text))
        known = "\n".join([self._user, *links, *(source.text for source in self._sources if not holds_own(source))])
        address = re.match(r"\s*[a-z]+://([^/\s]+)", text, re.IGNORECASE)
        host = host_of(address[1].rpartition("@")[2].partition(":")[0]) if address else ""
        if host and self._asked_for_host(host):
            return
        suggested = host and any(host in text for text in foreign)
        names = MANY if not foreign else 1 if suggested else 2
        for source in own:
            if sent := carried_words(text, source.text, known, names=names, figures=6 if not foreign else 4):
                yield f"it sends {sent!r} from {source.origin}"
                return

    def _unknown(self, reading: Reading) -> Iterator[str]:  # noqa: C901  # a line for each thing that cannot be read
        if not self._sources:
            return
        if reading.entangled or "cannot be read" in reading.risks:
            yield "it is too long or too entangled to be read beforehand"
        if reading.past_python:
            yield "it starts native code or processes where nothing tells what they do"
        for line in reading.unread:
            if not self._all_asked_for(reading) and plain_text(line.strip()) not in self._user:
                yield f"{line.strip()[:80]!r} runs what only comes up while it runs"
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
                yield from self._from_source(f"the script {script!r}", script)

    def _all_asked_for(self, reading: Reading) -> bool:
        """Whether every host of the code was named by the user."""
        named = {host for sending in reading.sendings for host in sending.hosts}
        return bool(named) and all(map(self._asked_for_host, named))

    # -- files of this run

    def _scripts(self, code: str, reading: Reading) -> Iterator[str]:
        """The contents of files of this run that the code would execute."""
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

    def _said(self, path: str) -> bool:
        return len(path) > 1 and plain_text(path) in self._user


def _from_web(node: ast.AST, reading: Reading) -> bool:
    """Whether a value may be an answer of the web."""
    return "network" in reading.risks and any(isinstance(part, ast.Call) for part in ast.walk(node))
