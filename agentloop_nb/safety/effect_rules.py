"""Which effects are covered: by the words of the user, an earlier answer, or what stood in the code in plain words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from agentloop_nb._internal.steering_files import asked_for, steers
from agentloop_nb.safety.code_risks.places import host_of
from agentloop_nb.safety.observed_effects import Effect, EffectKind, Mandate, Place, is_temporary
from agentloop_nb.safety.process_rules import is_covered
from agentloop_nb.settings.table import TABLE

_TIDYING = re.compile(r"\b(delet|remov|clean|clear|eras|purg|unlink|wipe|drop|empty|tidy)", re.IGNORECASE)
_MOVING = re.compile(r"\b(renam|mov(e|ing)|sort|organi[sz]|arrang|tidy|clean)", re.IGNORECASE)
_ADDRESSES = re.compile(
    r"\b(urls?|links?|address(es)?|web ?sites?|domains?|pages?|download|fetch|crawl|scrape|https?)\b", re.IGNORECASE
)
_STEERING_VARIABLE = re.compile(
    r"(PYTHON|LD_|DYLD_|GIT_|PIP_|UV_|CONDA_|JUPYTER_|IPYTHON|AGENTLOOP_|OPENAI_|ANTHROPIC_|SSL_|XDG_|BASH_FUNC_|OPENSSL_|R_PROFILE|R_ENVIRON"
    r"|NPM_|NODE_|LUA_|AWS_|AZURE_|GOOGLE_|GCLOUD_|DOCKER_|KUBE|OLLAMA_|MAKE(FLAGS|FILES)|BASH_ENV$|ENV$).*|"
    r"(PERL5|RUBY)(OPT|LIB|DB)|(_JAVA|TAR|RSYNC|MAN)_?OPT(ION)?S?|(JDK_)?JAVA_(TOOL_)?OPTIONS|(LOCAL)?APPDATA|USERPROFILE|CLASSPATH|"
    r"SSLKEYLOGFILE|LESS\w*|GCONV_PATH|(BASH|SHELL)OPTS|PS4|ZDOTDIR|INPUTRC|CDPATH|MANPATH|"
    r".*(_(BASE_URL|API_BASE|API_URL|PROXY|API_KEY|TOKEN|CA_BUNDLE|CERT_FILE|ENDPOINT|HOST|REGISTRY|INIT|RSH|ASKPASS|CONFIG(_\w+)?)"
    r"|PAGER|RC_?FILE)|WGETRC|CURL_HOME|PATH|HOME|SHELL|BROWSER|EDITOR|VISUAL|PROMPT_COMMAND|IFS",
    re.IGNORECASE,
)
"""Variables that decide what is run or whom it talks to."""
_SETTINGS = frozenset(row.environment for row in TABLE.values() if row.environment)
"""Variables that are settings of the next run."""
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
    return host in ("", "localhost", "<broadcast>", "broadcasthost", "ip6-localhost") or _LOCAL.match(host) is not None


def _process(effect: Effect, mandate: Mandate, place: Place) -> bool:
    def may_go(path: str) -> bool:
        return _goes_away(path, mandate, place)

    return is_covered(effect.target, effect.other, mandate, place, may_go)


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
    steering = _STEERING_VARIABLE.fullmatch(effect.target) is not None or effect.target.upper() in _SETTINGS
    if not steering and not effect.other:
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
    "limit": _named,
    "object": lambda *_: False,
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
