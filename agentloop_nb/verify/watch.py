"""Watch what a process of the fresh kernel asks for, from inside Python. Runs without this package.

An audit hook sees files that are opened, folders that are listed, programs and connections; `os.stat` and its kin raise
no audit event and are wrapped. What lies outside is noted, and refused where the system does not keep it away itself.
It is copied beside the notebook as it stands, so it is one file, however long.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

settings: "dict[str, Any]" = {}
bound: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()
busy = threading.local()
made: "set[str]" = set()
"""Files that this process made where it may not look around, as in the folder for temporary files."""
installed: "dict[str, bool]" = {}
"""Folders, and whether they belong to the environment: an import asks for thousands of files."""
STATS = ("stat", "lstat", "access", "readlink", "statvfs", "getxattr", "listxattr")
FIRST_IS_READ = ("os.listdir", "os.scandir", "os.listxattr", "os.getxattr", "os.rename", "os.link")
MACHINE = ("/proc", "/sys")
OF_ITSELF = (
    "status",
    "stat",
    "statm",
    "maps",
    "fd",
    "fdinfo",
    "task",
    "cmdline",
    "mounts",
    "mountinfo",
    "cgroup",
    "exe",
)
LIBRARIES = (
    *("psutil", "joblib", "loky", "numexpr", "threadpoolctl", "torch", "ipykernel", "IPython", "tornado", "zmq"),
    "pandas/compat",  # how many processors read_csv may use
)
"""Packages that look the machine over for their own use."""


def note(kind: str, what: object, **more: object) -> None:
    """Note what is asked for, for the verdict."""
    with _aside(), open(settings["log"], "a", encoding="utf-8") as log:
        log.write(json.dumps({"kind": kind, "what": str(what), **more}) + "\n")


@contextlib.contextmanager
def _aside() -> Iterator[None]:
    """Within it, nothing is watched."""
    before = getattr(busy, "on", False)
    busy.on = True
    try:
        yield
    finally:
        busy.on = before


# -- files


def outside(path: object) -> "str | None":
    """Return the place that a path names, if it is none of the notebook's and none of the environment's."""
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    place = os.path.abspath(os.fsdecode(path))
    if _is_own(place):
        real = os.path.realpath(place)
        return None if real == place or _is_own(real) or _is_installed(real) else real
    return None if _is_installed(place) or _of_library(place) else place


def _is_own(place: str) -> bool:
    return _under(place, settings["own"]) or place in settings["given"] or place in made


def _is_installed(place: str) -> bool:
    folder = os.path.dirname(place)
    known = installed.get(folder)
    if known is None:
        known = installed[folder] = _depth(folder, settings["environment"]) > _depth(folder, settings["hidden"])
    return (known or place in settings["roots"]) and place not in settings["hidden"]


def _depth(place: str, folders: "list[str]") -> int:
    """Return how long the longest of the folders is that hold a place."""
    return max((len(folder) for folder in folders if _under(place, [folder])), default=0)


def _under(place: str, folders: "list[str]") -> bool:
    return any(place == folder or place.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def _of_library(place: str) -> bool:
    """Whether it is a device, or the machine is looked over by a package for its own use."""
    if place.startswith("/dev/"):
        return not place.startswith("/dev/shm/")
    if not place.startswith(MACHINE):
        return False
    parts = place.split("/")
    if parts[1:3] == ["proc", "self"] or parts[1:3] == ["proc", str(os.getpid())]:
        return len(parts) == 3 or parts[3] in OF_ITSELF
    return any(f"{os.sep}{name}{os.sep}" in _caller() for name in LIBRARIES)


def _caller() -> str:
    """Return the file of the code that asks, the standard library left out."""
    frame: types.FrameType | None = sys._getframe(1)
    standard = os.path.dirname(os.__file__)
    while frame is not None:
        name = frame.f_code.co_filename
        own = name in (__file__, "<string>") or name.startswith("<frozen")
        own = own or frame.f_code.co_name == "_modified_open"  # IPython's, that cells get as `open`
        if not own and (not name.startswith(standard) or "-packages" in name):
            return name
        frame = frame.f_back
    return ""


def refuse(kind: str, place: str) -> None:
    """Note a place outside, and raise as if it did not exist where nothing else keeps it away."""
    note(kind, place, direct=_is_cell(_caller()))
    if settings["how"] != "namespaces" and not settings["open"]:
        raise FileNotFoundError(2, "outside of the notebook's folder, which is all that a verified notebook has", place)


def check_open(path: object, flags: object) -> None:
    """Refuse files outside; a new file in the folder for temporary ones is the notebook's own."""
    place = outside(path)
    if place is None:
        return
    writes = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
    if writes and (settings["how"] == "namespaces" or settings["open"]):
        return
    if writes and _under(place, settings["temporary"]) and not os.path.lexists(place):
        made.add(place)
        return
    refuse("file", place)


def check_database(name: str) -> None:
    """Refuse a database outside, also as a URI; one in memory is no file."""
    plain = name.removeprefix("file:").partition("?")[0] if name.startswith("file:") else name
    if plain not in ("", ":memory:") and "mode=memory" not in name:
        check_open(plain, 0)


def check_look(kind: str, path: object) -> None:
    """Refuse to list or to stat what is outside; folders that lead to a known place are known to exist."""
    place = outside("." if path is None else path)
    if place is None or (kind == "stat" and _leads(place)):
        return
    if settings["how"] == "namespaces" and _under(place, settings["temporary"]):
        return  # an empty one of its own
    if (kind == "stat" or place in sys.path) and not _is_cell(_caller()):
        return  # a package looks for its settings, or for other packages
    refuse(kind, place)


def _leads(place: str) -> bool:
    start = place.rstrip(os.sep) + os.sep
    known = (*settings["own"], *settings["environment"], *settings["given"], *settings["temporary"], "/proc/self/")
    return any((each + os.sep).startswith(start) for each in known)


def _wrapped(function: "Callable[..., Any]") -> "Callable[..., Any]":
    def look(path: object, *args: Any, **options: Any) -> Any:
        if not getattr(busy, "on", False):
            with _aside():
                check_look("stat", path)
        return function(path, *args, **options)

    look.__name__ = look.__qualname__ = function.__name__
    look.__doc__ = function.__doc__
    return look


def _wrap_stats() -> None:
    """Also where `import` itself looks: what is on the path is installed, or it is the notebook's own."""
    system = sys.modules[os.name if os.name != "nt" else "nt"]
    for name in STATS:
        if hasattr(os, name):
            wrapped = _wrapped(getattr(os, name))
            setattr(os, name, wrapped)
            setattr(system, name, wrapped)
    for kept in ("supports_dir_fd", "supports_effective_ids", "supports_fd", "supports_follow_symlinks"):
        functions = getattr(os, kept)
        functions |= {getattr(os, name) for name in STATS if name in {each.__name__ for each in functions}}


# -- the network


def check_address(address: object) -> None:
    """Allow loopback where this very process listens, and sockets in the notebook's folder."""
    if isinstance(address, str | bytes):
        if address and outside(address):
            refuse("file", os.fsdecode(address))
    elif isinstance(address, tuple) and len(address) > 1:
        host, port = str(address[0]), address[1]
        local = host in ("localhost", "::1", "") or host.startswith("127.")
        if not local or port not in _listening():
            cut_off(f"{host}:{port}", host)


def _listening() -> "set[object]":
    ports = set()
    for each in list(bound):
        try:
            ports.add(each.getsockname()[1])
        except (OSError, IndexError, TypeError):
            continue
    return ports


def check_name(host: object) -> None:
    """Refuse to look a name up; addresses are left to `check_address`."""
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if any(char.isalpha() for char in name) and ":" not in name and name != "localhost":
        cut_off(name, name)


def cut_off(what: str, host: str) -> None:
    """Note a connection, and refuse it."""
    note("network", what)
    raise ConnectionError(f"the network is cut off while a notebook is verified ({host})")


# -- programs and C libraries


def check_program(words: object, folder: Any, variables: object) -> None:
    """Note a program that is started: whether it can be judged by its words is for the verdict to say."""
    if settings["how"] == "namespaces":
        return
    listed = [words] if isinstance(words, str | bytes) else list(words) if isinstance(words, list | tuple) else [words]
    told = [os.fsdecode(each) if isinstance(each, str | bytes | os.PathLike) else str(each) for each in listed]
    if isinstance(words, str | bytes):
        told = ["sh", "-c", *told]
    where = os.getcwd() if folder is None else os.fsdecode(folder)
    given: Any = os.environ if variables is None else variables
    path = given.get("PYTHONPATH", "") if hasattr(given, "get") else ""
    hooked = str(path).startswith(os.path.dirname(settings["children"]))
    note("program", json.dumps(told), folder=where, hooked=hooked)


def check_library(name: object) -> None:
    """Note a C library that a cell itself opens: what it then asks for is not seen."""
    if settings["how"] != "namespaces" and _is_cell(_caller()):
        note("library", name or "the C library")


def _is_cell(name: str) -> bool:
    return not _under(name, settings["environment"])


def check(event: str, arguments: "tuple[Any, ...]") -> None:
    """Judge one audit event."""
    if event == "open":
        check_open(arguments[0], arguments[2])
    elif event.startswith("socket."):
        _check_socket(event, arguments)
    elif event in FIRST_IS_READ:
        check_look("folder" if event in ("os.listdir", "os.scandir") else "file", arguments[0])
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "os.spawn"):
        _check_start(event, arguments)
    elif event in ("os.symlink", "sqlite3.connect", "import", "ctypes.dlopen"):
        _check_other(event, arguments)


def _check_other(event: str, arguments: "tuple[Any, ...]") -> None:
    if event == "os.symlink":
        check_look("file", _target(arguments[0], arguments[1]))
    elif event == "sqlite3.connect":
        check_database(os.fsdecode(arguments[0]))
    elif event == "ctypes.dlopen":
        check_library(arguments[0])
    elif isinstance(arguments[1], str):
        check_open(arguments[1], 0)


def _target(source: "str | bytes", link: "str | bytes") -> str:
    return os.path.join(os.path.dirname(os.fsdecode(link)), os.fsdecode(source))


def _check_start(event: str, arguments: "tuple[Any, ...]") -> None:
    if event == "os.system":
        check_program(arguments[0], None, None)
    elif event == "subprocess.Popen":
        check_program(arguments[1], arguments[2], arguments[3])
    else:
        check_program(arguments[-2], None, arguments[-1])


def _check_socket(event: str, arguments: "tuple[Any, ...]") -> None:
    if event == "socket.bind":
        bound.add(arguments[0])
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        check_address(arguments[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        check_name(arguments[0])
    elif event == "socket.gethostname" and _is_cell(_caller()):
        note("machine", "the name of this computer")


def hook(event: str, arguments: "tuple[Any, ...]") -> None:
    """Hear an audit event; the hook does not watch itself."""
    if getattr(busy, "on", False):
        return
    with _aside():
        check(event, arguments)


def install(given: "dict[str, Any]") -> None:
    """Watch this process from now on."""
    settings.update(given, roots=frozenset(given["environment"]))
    _wrap_stats()
    sys.addaudithook(hook)


if __name__ == "sitecustomize":  # in a Python that the notebook starts
    with open(os.path.join(os.path.dirname(__file__), "settings.json"), encoding="utf-8") as file:
        install(json.load(file))
