"""Which effects are covered: by the words of the user, an earlier answer, or what stood in the code in plain words."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from agentloop_nb._internal.steering_files import asked_for, steers
from agentloop_nb.safety.code_risks.command_lines import Command, commands
from agentloop_nb.safety.code_risks.places import host_of
from agentloop_nb.safety.code_risks.shell_commands import carries_out_unread, plain, runs_files, same, written_by
from agentloop_nb.safety.observed_effects import Effect, EffectKind, Mandate, Place, is_temporary

_TIDYING = re.compile(r"\b(delet|remov|clean|clear|eras|purg|unlink|wipe|drop|empty|tidy)", re.IGNORECASE)
_MOVING = re.compile(r"\b(renam|mov(e|ing)|sort|organi[sz]|arrang|tidy|clean)", re.IGNORECASE)
_ADDRESSES = re.compile(
    r"\b(urls?|links?|address(es)?|web ?sites?|domains?|pages?|download|fetch|crawl|scrape|https?)\b", re.IGNORECASE
)
_STEERING_VARIABLE = re.compile(
    r"(PYTHON|LD_|DYLD_|GIT_|PIP_|UV_|CONDA_|JUPYTER_|IPYTHON|AGENTLOOP_|OPENAI_|ANTHROPIC_|SSL_|XDG_|BASH_FUNC_|OPENSSL_|R_PROFILE|R_ENVIRON"
    r"|NODE_OPTIONS$|BASH_ENV$|ENV$).*|(PERL5|RUBY)(OPT|LIB)|(_JAVA|TAR)_OPTIONS|(JDK_)?JAVA_(TOOL_)?OPTIONS|(LOCAL)?APPDATA|USERPROFILE|"
    r"SSLKEYLOGFILE|LESSOPEN|GCONV_PATH|(BASH|SHELL)OPTS|PS4|"
    r".*(_BASE_URL|_API_BASE|_PROXY|_API_KEY|_TOKEN|_CA_BUNDLE|_CERT_FILE|_ENDPOINT)|PATH|HOME|SHELL|BROWSER|EDITOR|VISUAL|"
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
_ENVIRONMENT_WORDS = re.compile(r"\benviron|\benv\b|\bvariable")
_LOCAL = re.compile(
    r"(127|10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.|[:[]|"
    r"f([cd][0-9a-f]|e[89ab])[0-9a-f]:|0",
    re.IGNORECASE,
)
"""Addresses of this machine and its network."""
_IS_RUN = re.compile(r"\.(pyw?|ipy|pth|sh)$|[/\\]matplotlibrc$")
_DEVICES = tuple(f"/dev/{name}/" for name in ("null", "zero", "full", "tty", "stdout", "stderr", "fd", "pts", "ptmx"))


def objection(effect: Effect, mandate: Mandate, place: Place) -> str:
    """Say why a person should see an effect before it happens; empty when it is covered."""
    if effect.kind in ("write", "rename") and (steered := _steered(effect, mandate, place.folder)):
        return f"{_located(effect, place.folder)}, and {steered!r} tells an agent, an editor or Python what to do"
    if mandate.trusting or not mandate.strangers or _JUDGES[effect.kind](effect, mandate, place):
        return ""
    return _located(effect, place.folder)


def _located(effect: Effect, folder: Path) -> str:
    """Return an effect as it is told, with paths of the folder relative to it."""
    if effect.kind not in ("write", "rename", "delete"):
        return str(effect)
    return str(effect._replace(target=_short(effect.target, folder), other=_short(effect.other, folder)))


def _short(path: str, folder: Path) -> str:
    return path.removeprefix(f"{folder}{os.sep}")


def _steered(effect: Effect, mandate: Mandate, folder: Path) -> str:
    """Return the file that steers others which an effect would write or move although the user did not ask for that."""
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
    """Return the part of a path that decides: below the working folder, else all of it."""
    return os.path.relpath(path, folder) if _inside(path, folder) else path


def _host(effect: Effect, mandate: Mandate, _: Place) -> bool:
    host = host_of(effect.target).removeprefix("www.")
    return names_host(host, mandate) or (_ADDRESSES.search(mandate.user) is not None and not is_local(host))


def names_host(host: str, mandate: Mandate) -> bool:
    """Whether the user, the code or its libraries name a host, or the domain it belongs to."""
    bare = host_of(host).removeprefix("www.")
    return any(bare == name or bare.endswith(f".{name}") for name in mandate.named_hosts)


def is_local(host: str) -> bool:
    """Whether an address is one of this machine or its network."""
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
    if _STEERING_VARIABLE.fullmatch(effect.target) is None:
        return True
    # `PATH`, `HOME` and their like are words of many a goal
    meant = "_" in effect.target or _ENVIRONMENT_WORDS.search(mandate.user) is not None
    return meant and _named(effect, mandate, place)


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


def _is_cache(path: str) -> bool:
    """Whether libraries keep things there on their own account; what Python runs or obeys is none of them."""
    home = str(Path.home())
    places = (f"{home}/.cache/", f"{home}/Library/Caches/", f"{home}/.config/matplotlib/", *_DEVICES)
    return f"{path}/".startswith(places) and _IS_RUN.search(path) is None
