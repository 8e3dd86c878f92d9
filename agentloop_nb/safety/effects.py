"""What code does beyond its namespace, judged when it happens: which effects are covered, and by whose words.

Reading code can be deceived; what is judged here is the effect as it is: the real host, the real command line, the real
path. An effect is covered by what the user said, by an earlier answer, or by what stood in the code in plain words
when it was read. Everything here is pure; who hears of effects is elsewhere.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from agentloop_nb._internal.steering_files import asked_for, steers
from agentloop_nb.safety.code_risks.command_lines import Command, commands
from agentloop_nb.safety.code_risks.places import host_of, hosts
from agentloop_nb.safety.code_risks.shell_commands import carries_out_unread, plain, runs_files, same, written_by

EffectKind = Literal["host", "process", "delete", "rename", "write", "library", "unpickle", "environment", "signal"]


class Effect(NamedTuple):
    """One thing that code is about to do."""

    kind: EffectKind
    target: str
    """The host, command line, path, library, global, variable or process id, as it is."""
    other: str = ""
    """Where a file is renamed to; the signal."""

    def __str__(self) -> str:
        target = f"{self.target!r}" if len(self.target) <= MAX_TOLD else f"{self.target[:MAX_TOLD]!r}..."
        return _TOLD[self.kind].format(target, repr(self.other))


MAX_TOLD = 300
"""Characters of a target that a person and the model are told."""
_TOLD = {
    "host": "it connects to {}",
    "process": "it starts {}",
    "delete": "it deletes {}",
    "rename": "it moves {} to {}",
    "write": "it writes {}",
    "library": "it loads the native library {}",
    "unpickle": "it unpickles something that calls {}",
    "environment": "it changes the environment variable {}",
    "signal": "it sends a signal to the process {}",
}
_TIDYING = re.compile(r"\b(delet|remov|clean|clear|eras|purg|unlink|wipe|drop|empty|tidy)", re.IGNORECASE)
_MOVING = re.compile(r"\b(renam|mov(e|ing)|sort|organi[sz]|arrang|tidy|clean)", re.IGNORECASE)
_ADDRESSES = re.compile(
    r"\b(urls?|links?|address(es)?|web ?sites?|domains?|pages?|download|fetch|crawl|scrape|https?)\b", re.IGNORECASE
)
_STEERING_VARIABLE = re.compile(
    r"(PYTHON|LD_|DYLD_|GIT_|PIP_|UV_|CONDA_|JUPYTER_|IPYTHON|AGENTLOOP_|OPENAI_|ANTHROPIC_|SSL_|NODE_OPTIONS$|BASH_ENV$|ENV$)"
    r".*|.*(_BASE_URL|_API_BASE|_PROXY|_API_KEY|_TOKEN|_CA_BUNDLE|_CERT_FILE|_ENDPOINT)|PATH|HOME|SHELL|BROWSER|EDITOR|VISUAL|"
    r"PAGER|PROMPT_COMMAND|IFS",
    re.IGNORECASE,
)
"""Variables that decide what is run or whom it talks to."""
_GRAVE_GLOBAL = re.compile(
    r"(os|posix|nt|subprocess|_posixsubprocess|pty|shutil|socket|ctypes|_ctypes|importlib|runpy|sys|webbrowser|signal|pickle|"
    r"marshal|code|codeop|timeit|bdb|pdb|cProfile|profile|trace|IPython|pip|urllib|requests|httpx|http)(\.|$).*|"
    r"(builtins|__builtin__)\.(exec|eval|compile|open|getattr|setattr|delattr|__import__|input|breakpoint|globals|vars)|"
    r"operator\.(attrgetter|methodcaller)|types\.(FunctionType|CodeType)|asyncio\.subprocess.*|multiprocessing\.(Process|util).*"
)
_PLAIN_GLOBAL = re.compile(r"(os|posix|nt)\.(stat_result|fspath|PathLike|terminal_size)|sys\.(version_info|flags)")
_LOCAL = re.compile(r"(127|10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01]))\.|[:[]|f[cd]|0")
"""Addresses of this machine and its network."""
_LIBRARY_HOSTS = {
    "seaborn": "raw.githubusercontent.com github.com",
    "sklearn": "openml.org ndownloader.figshare.com figshare.com",
    "nltk": "raw.githubusercontent.com",
    "yfinance": "yahoo.com",
    "wikipedia": "wikipedia.org",
    "huggingface_hub": "huggingface.co hf.co",
    "datasets": "huggingface.co hf.co",
    "transformers": "huggingface.co hf.co",
    "torch": "pytorch.org github.com",
    "torchvision": "pytorch.org",
    "tensorflow": "storage.googleapis.com",
    "keras": "storage.googleapis.com",
    "vega_datasets": "cdn.jsdelivr.net raw.githubusercontent.com",
    "geopandas": "naturalearth.s3.amazonaws.com",
    "plotly": "raw.githubusercontent.com",
    "statsmodels": "raw.githubusercontent.com vincentarelbundock.github.io",
}
"""Whom installed libraries ask of their own accord."""


class Mandate(BaseModel):
    """What covers the effects of one step."""

    model_config = ConfigDict(frozen=True)

    user: str = ""
    """What the user said, in plain words."""
    strangers: bool = True
    """Whether the run has seen text that the user did not write."""
    trusting: bool = False
    """Strangers' text is trusted (`--trust-web`)."""
    anybody: bool = False
    """Somebody can be asked."""
    hosts: frozenset[str] = frozenset()
    """Hosts that stood in code in plain words."""
    commands: tuple[tuple[str, ...], ...] = ()
    """Commands that stood in the code, `HOLE` for words not known then."""
    lines: frozenset[str] = frozenset()
    """Command lines that stood in the code as they are."""
    vetted: frozenset[str] = frozenset()
    """SHA-256 of code that was read and raised no question: what a run may execute in a child process."""
    paths: frozenset[str] = frozenset()
    """Paths that stood in the code in plain words."""
    modules: frozenset[str] = frozenset()
    """What the code imports."""

    @cached_property
    def named_hosts(self) -> frozenset[str]:
        """Hosts that the user, the code or its libraries name."""
        words = {name for line in self.user.split() for name in hosts(line, bare=True)}
        own = {name for module in self.modules for name in _LIBRARY_HOSTS.get(module, "").split()}
        return frozenset(host_of(name).removeprefix("www.") for name in hosts(self.user) | words | self.hosts | own)

    def says(self, text: str) -> bool:
        """Whether the user named something."""
        return len(text) > 1 and re.search(rf"(?<![\w-]){re.escape(text.lower())}(?![\w-])", self.user) is not None


@runtime_checkable
class Supervised(Protocol):
    """A workspace whose steps are judged by their effects."""

    mandate: Mandate | None
    """Of the next step; None judges nothing."""


class Place(Protocol):
    """Where a step works, and what its run made there."""

    folder: Path

    def made(self, path: str) -> bool:
        """Whether the run made a path."""

    def unread(self, mandate: Mandate, named: Sequence[str]) -> str:
        """Return a file that the run made, that a child may execute, and that was not read; empty for none.

        `named` are the files that the command names.
        """


def objection(effect: Effect, mandate: Mandate, place: Place) -> str:
    """Say why a person should see an effect before it happens; empty when it is covered."""
    if effect.kind in ("write", "rename") and (steered := _steered(effect, mandate, place.folder)):
        return f"{_located(effect, place.folder)}, and {steered!r} tells an agent, an editor or Python what to do"
    if mandate.trusting or not mandate.strangers or _JUDGES[effect.kind](effect, mandate, place):
        return ""
    return _located(effect, place.folder)


def _located(effect: Effect, folder: Path) -> str:
    """An effect as it is told, with paths of the folder relative to it."""
    if effect.kind not in ("write", "rename", "delete"):
        return str(effect)
    return str(effect._replace(target=_short(effect.target, folder), other=_short(effect.other, folder)))


def _short(path: str, folder: Path) -> str:
    return path.removeprefix(f"{folder}{os.sep}")


def _steered(effect: Effect, mandate: Mandate, folder: Path) -> str:
    """The file that steers others which an effect would write or move although the user did not ask for that."""
    for path in [effect.target] if effect.kind == "write" else [effect.target, effect.other]:
        spelled = (_short(path, folder), path.replace(str(Path.home()), "~", 1), path)
        if (
            not _is_cache(path)
            and steers(_below(path, folder))
            and not any(asked_for(each, mandate.user) for each in spelled)
        ):
            return spelled[0]
    return ""


def _below(path: str, folder: Path) -> str:
    """The part of a path that decides: below the working folder, else all of it."""
    return os.path.relpath(path, folder) if _inside(path, folder) else path


def _host(effect: Effect, mandate: Mandate, _: Place) -> bool:
    host = host_of(effect.target).removeprefix("www.")
    if _ADDRESSES.search(mandate.user) and not _is_local(host):
        return True
    return any(host == name or host.endswith(f".{name}") for name in mandate.named_hosts)


def _is_local(host: str) -> bool:
    return host == "localhost" or _LOCAL.match(host) is not None


def _process(effect: Effect, mandate: Mandate, place: Place) -> bool:
    line = effect.target
    found = commands(line)
    exact = line.strip() in mandate.lines or mandate.says(line)
    if not found or (not exact and carries_out_unread(found)):
        return False
    return all(_is_covered(command, mandate, place, exact=exact) for command in found)


def _is_covered(command: Command, mandate: Mandate, place: Place, *, exact: bool) -> bool:
    """Whether one command of a command line is harmless, or stood in the code as it is now."""
    program = os.path.realpath(shutil.which(command.words[0]) or "")
    made = place.made(program)
    if Command(plain(command.words)).read_only and not made:
        return True
    executed = Command(plain(command.words)).executed
    if (made or runs_files(command)) and place.unread(mandate, [*executed, program] if made else executed):
        return False
    words = plain(command.words)
    if not exact and any(steers(word.rpartition("=")[2]) for word in (*written_by(words), *words[1:])):
        return False

    return exact or mandate.says(" ".join(words)) or any(same(words, template) for template in mandate.commands)


def _delete(effect: Effect, mandate: Mandate, place: Place) -> bool:
    path = effect.target
    if place.made(path) or _is_cache(path) or _is_named(path, mandate, place.folder):
        return True
    inside = _inside(path, place.folder) and path != str(place.folder)
    return inside and _TIDYING.search(mandate.user) is not None


def _rename(effect: Effect, mandate: Mandate, place: Place) -> bool:
    return _goes_away(effect.target, mandate, place) and _write(Effect("write", effect.other), mandate, place)


def _goes_away(path: str, mandate: Mandate, place: Place) -> bool:
    if place.made(path) or _is_cache(path) or _is_named(path, mandate, place.folder):
        return True
    return _inside(path, place.folder) and _MOVING.search(mandate.user) is not None


def _write(effect: Effect, mandate: Mandate, place: Place) -> bool:
    path = effect.target
    if Path(path).name.startswith("-"):
        return False  # `tar *` would take the name for an option
    new = is_temporary(path) and not os.path.lexists(path)
    if new or _inside(path, place.folder) or _is_cache(path):
        return True
    return place.made(path) or _is_named(path, mandate, place.folder)


def _named(effect: Effect, mandate: Mandate, _: Place) -> bool:
    return mandate.says(effect.target)


def _unpickle(effect: Effect, mandate: Mandate, place: Place) -> bool:
    grave = _GRAVE_GLOBAL.fullmatch(effect.target) and not _PLAIN_GLOBAL.fullmatch(effect.target)
    return not grave or _named(effect, mandate, place)


def _environment(effect: Effect, mandate: Mandate, place: Place) -> bool:
    return _STEERING_VARIABLE.fullmatch(effect.target) is None or _named(effect, mandate, place)


_JUDGES: dict[EffectKind, Callable[[Effect, Mandate, Place], bool]] = {
    "host": _host,
    "process": _process,
    "delete": _delete,
    "rename": _rename,
    "write": _write,
    "library": _named,
    "unpickle": _unpickle,
    "environment": _environment,
    "signal": _named,
}


def _is_named(path: str, mandate: Mandate, folder: Path) -> bool:
    """Whether the user said a path, or the code said it in plain words when it was read."""
    spelled = {path, os.path.relpath(path, folder), path.replace(str(Path.home()), "~", 1)}
    if any(len(each) > 1 and each.lower() in mandate.user for each in spelled):
        return True
    return any(os.path.normpath(folder / Path(each).expanduser()) == path for each in mandate.paths)


def _inside(path: str, folder: Path) -> bool:
    return path == str(folder) or path.startswith(f"{folder}{os.sep}")


_TEMPORARY = {os.path.realpath(tempfile.gettempdir()), "/tmp", "/var/tmp"}  # noqa: S108
"""Where temporary files lie, whatever a step says about that later."""


def is_temporary(path: str) -> bool:
    """Whether a path lies where temporary files do."""
    return any(path.startswith(f"{place}{os.sep}") for place in _TEMPORARY)


_DEVICES = tuple(f"/dev/{name}/" for name in ("null", "zero", "full", "tty", "stdout", "stderr", "fd", "pts", "ptmx"))


def _is_cache(path: str) -> bool:
    """Whether libraries keep things there on their own account."""
    home = str(Path.home())
    places = (f"{home}/.cache/", f"{home}/Library/Caches/", f"{home}/.config/matplotlib/", *_DEVICES)
    return f"{path}/".startswith(places)


def told_line(words: Sequence[str]) -> str:
    """Return an argument list as one command line."""
    if len(words) == 3 and re.fullmatch(r".*/?(ba|da|z|k)?sh", words[0]) and re.fullmatch(r"-\w*c", words[1]):
        return words[2]
    return shlex.join(words)
