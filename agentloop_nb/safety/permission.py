"""When to ask a person first, although nobody asked to be asked: code that follows what a stranger wrote.

What the user named in the goal, a note or a cell stays smooth. A question arises when a host, a command, a package or
a path came from a page, a search, a file or a table; when data or secrets would leave; when something outside the
folder would be deleted.
"""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote_plus

from agentloop_nb.actions import Action, Query, ReadUrl, RunCode, SearchWeb, WriteFile
from agentloop_nb.actions.own import OwnAction
from agentloop_nb.safety.code_risks import Reading, Target, hosts, learned, ordered, outside, read
from agentloop_nb.safety.code_risks.command_lines import Command
from agentloop_nb.safety.code_risks.constant_values import HOLE, Values
from agentloop_nb.safety.code_risks.flows import carried
from agentloop_nb.safety.code_risks.words import words
from agentloop_nb.safety.provenance import Source, of_step, said_by_user, split
from agentloop_nb.state import State, Step

WAY_OUT = "--trust-web lets it through"

_DELETING = re.compile(r"\b(delet|remov|clean|clear|eras|purg|unlink|wipe|drop|empty|tidy)", re.IGNORECASE)
_ADDRESSES = re.compile(
    r"\b(urls?|links?|address(es)?|web ?sites?|domains?|pages?|download|fetch|crawl|scrape|https?)\b"
)
"""Words of a goal that is about following addresses."""
_DOTS = re.compile(r"\s*(?:\[\s*(?:\.|dot)\s*\]|\(\s*(?:\.|dot)\s*\)|\sdot\s)\s*", re.IGNORECASE)
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


class Memory:
    """What was read of a run so far. Reading only grows with it, so a judge reads each step once."""

    def __init__(self) -> None:
        self.values = Values()
        """The names that the run's code has bound."""
        self.used: set[Target] = set()
        """What that code used, allowed or unsuspected."""
        self.code: list[str] = []
        self.sources: list[Source] = []
        """What is data, in plain words."""
        self.written: dict[str, str] = {}
        """The files the run wrote by `write_file`, by name."""
        self._steps = 0
        self._cells: tuple[str, ...] | None = None
        self._said: tuple[int, str] = (-1, "")
        self._last: tuple[str, Reading] = ("", Reading())

    def take_in(self, state: State, cells: Sequence[str]) -> None:
        """Read the user's cells once, and the steps that came since."""
        if self._cells is None:
            self._cells = tuple(cells)
            learned(self._cells, self.values)
            self.sources += map(_plain_source, split(state.context)[1])
        done = [step for step in state.steps[self._steps :] if step.result is not None]
        for step in done:
            self.sources += map(_plain_source, of_step(step))
            if _was_run(step) and step.decision is not None:
                self._carried_out(step.decision.action)
        self._steps += len(done)

    def _carried_out(self, action: Action) -> None:
        match action:
            case RunCode(code=code):
                self.used |= self.read(code).targets
                learned([code], self.values)
                self._last = ("", Reading())
                self.code.append(code)
            case WriteFile(filename=filename, content=content):
                self.written[filename.removeprefix("./")] = content
            case _:
                pass

    def read(self, code: str) -> Reading:
        """Read code as it stands after what was carried out; code that is judged and then carried out is read once."""
        if self._last[0] != code:
            self._last = (code, read(code, self.values))
        return self._last[1]

    def risks(self, code: str) -> tuple[str, ...]:
        """Say in short phrases what code touches, the gravest first."""
        return ordered(self.read(code).risks)

    def said(self, state: State) -> str:
        """What the user said, in plain words; put together anew when a note was added."""
        notes = sum(len(step.notes) for step in state.steps)
        if self._said[0] != notes:
            self._said = (notes, _plain(said_by_user(state, self._cells or ())))
        return self._said[1]


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
    judge = _Judge(state, cells, folder, memory or Memory())
    return tuple(dict.fromkeys(reason for part in action.parts() for reason in judge.part(part)))


def denial(reasons: Sequence[str]) -> str:
    """What the model is told when nobody is there to ask."""
    why = "; ".join(reasons)
    return f"{why}. Nobody is there to allow it ({WAY_OUT}). Reach the goal another way, or finish and say so"


class _Judge:
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
            case OwnAction():
                yield from self.own(action)
            case Query(sql=sql, source=source) if source:  # its server may be anybody's
                yield from self.request(sql)
            case _:
                pass

    def own(self, action: OwnAction) -> Iterator[str]:
        """A call whose arguments a stranger wrote, or that may carry the user's data out."""
        for name, value in action.arguments.items():
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and _plain(text).strip():
                    yield from self._from_stranger(f"{name}={text[:60]!r}", text)
        if action.reaches:
            yield from self.request(" ".join(map(str, action.arguments.values())))

    def _from_stranger(self, what: str, text: str) -> Iterator[str]:
        """Name the page, search or file that an argument stands in and that the user did not say."""
        plain = _plain(text).strip()
        if plain in self._user:
            return
        for source in self._sources:
            if plain in source.text and "output of" not in source.origin and "namespace" not in source.origin:
                yield f"the argument {what} comes from {source.origin}"
                return

    # -- code

    def code(self, code: str) -> Iterator[str]:
        reading = self._memory.read(code)
        yield from self._reading(reading)
        for script in self._scripts(code, reading):
            yield from self._reading(read(script, self._values))

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
        yield from self._leaks(reading)
        yield from self._unknown(reading)

    def _from_source(self, what: str, name: str, *, spelling: str = "") -> Iterator[str]:
        """Name the origin of something the user did not name; characters of `spelling` stand for one another."""
        plain = _plain(name)
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
        line = _plain(f"{command.words[0]} {first}".strip())
        for source in self._sources:
            if (
                line in source.text
                if first
                else re.search(rf"[`$'\"\n]\s*{re.escape(line)}\s*[`'\"\n]", f"\n{source.text}\n")
            ):
                yield f"the command {' '.join(command.words)[:80]!r} comes from {source.origin}"
                return

    def _deletions(self, reading: Reading) -> Iterator[str]:
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
        sent = _plain(" ".join([text, unquote_plus(text), *_decodings(text)]))
        known = (
            self._user + "\n" + "\n".join(source.text for source in self._sources if "output of" not in source.origin)
        )
        for source in self._sources:
            if "output of" not in source.origin and "namespace" not in source.origin:
                continue
            for word in re.findall(r"[\w.+@-]{6,}", sent):
                if word not in known and word in source.text and not word.isalpha():
                    yield f"it sends {word[:40]!r} from {source.origin}"
                    return

    def _unknown(self, reading: Reading) -> Iterator[str]:
        if not self._sources:
            return
        if reading.entangled:
            yield "it is too long or too entangled to be read beforehand"
        for node in reading.built:
            if carried(node, reading.values) or (_from_web(node, reading) and not self._all_asked_for(reading)):
                yield "it executes text that is not known beforehand"
        if not self._all_asked_for(reading) and any(
            left.network and right.name in ("sh", "bash", "zsh", "python", "python3", "perl", "eval")
            for left, right in zip(reading.commands, reading.commands[1:], strict=False)
        ):
            yield "it executes what it downloads"
        for script in sorted(reading.runs):
            if script not in self._memory.written:
                yield from self._from_source(f"the script {script!r}", script)

    def _all_asked_for(self, reading: Reading) -> bool:
        """Whether every host of the code was named by the user."""
        named = {host for sending in reading.sendings for host in sending.hosts}
        return bool(named) and all(map(self._asked_for_host, named))

    # -- files of this run

    def _scripts(self, code: str, reading: Reading) -> Iterator[str]:
        """The contents of files of this run that the code would execute."""
        for name, content in self._memory.written.items():
            stem = name.removesuffix(".py").replace("/", ".")
            imported = re.search(rf"\b(import|from)\s+[\w, .]*\b{re.escape(stem)}\b", code)
            if name in {run.removeprefix("./") for run in reading.runs} or (name.endswith(".py") and imported):
                yield content if name.endswith((".py", ".ipy")) else f"%%bash\n{content}"

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
        return len(path) > 1 and _plain(path) in self._user


def _plain_source(source: Source) -> Source:
    return Source(source.origin, _plain(source.text))


def _plain(text: str) -> str:
    """A text as it is compared: lower case, defanged addresses made whole."""
    return _DOTS.sub(".", text).replace("hxxp", "http").lower()


def _was_run(step: Step) -> bool:
    return step.result is not None and (step.approval is None or step.approval.approved)


def _from_web(node: ast.AST, reading: Reading) -> bool:
    """Whether a value may be an answer of the web."""
    return "network" in reading.risks and any(isinstance(part, ast.Call) for part in ast.walk(node))


def _decodings(text: str) -> Iterator[str]:
    """What parts of a text say when they are base64 or hexadecimal."""
    for word in re.findall(r"[A-Za-z0-9+/_-]{8,}={0,2}", text):
        for decode in (lambda item: base64.b64decode(item + "=" * (-len(item) % 4)), bytes.fromhex):
            try:
                yield decode(word).decode()
            except ValueError:
                continue
