"""Python's audit events as effects: what each event is about to do, with the real host, arguments and path."""

from __future__ import annotations

import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from agentloop_nb.notebook.kernel.audit_callers import called_by, called_by_library, is_finalizer, is_installed
from agentloop_nb.notebook.kernel.open_folders import open_folders
from agentloop_nb.safety.observed_effects import Effect, is_temporary, told_line

WRITING = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_CREAT
"""Flags by any of which opening a file may change it."""
_GRAVE_SYMBOLS = re.compile(
    r"_*(system|w?popen|f?exec\w*|v?fork\w*|posix_spawnp?|clone\d?|syscall|wordexp|remove|unlink(at)?|rmdir|rename(at2?)?|"
    r"f?truncate(64)?|connect|send\w*|socket\w*|getaddrinfo|gethostby\w+|res_\w+|dl(v?sym|m?open)|kill|killpg|tgkill|sigqueue|"
    r"raise|abort|ptrace|process_vm_\w+|prlimit(64)?|setrlimit(64)?|mprotect|(un)?setenv|putenv|clearenv|open(at)?(64)?|creat(64)?|"
    r"f(d|re)?open(64)?|p?writev?(64)?(v2)?|(sym)?link(at)?|[fl]?ch(mod|own)(at)?|mk(dir|nod|fifo|temp)\w*|mkd?s?temp\w*|"
    r"daemon|u?mount\d?|pivot_root|chroot|shm_\w+|sem_unlink|mq_unlink|memfd_create|nftw(64)?|ftw(64)?|io(ctl|_uring\w*)|fcntl(64)?|"
    r"WinExec|CreateProcess\w*|ShellExecute\w+|LoadLibrary\w+|DeleteFile\w|MoveFile\w+|CreateFile\w|WriteFile\w*)"
)
"""Functions of a C library that do what Python would tell of."""
_PYTHONS_SYMBOLS = re.compile(
    r"Py(?!Run_|_Main|_Bytes|_Finalize|_Exit|Sys_|Interpreter|OS_|Import_|Eval_)[A-Z]?[A-Za-z]*_\w+|Py_(IncRef|DecRef|GetVersion)|"
    r"mem(cpy|move|set|cmp|chr)|str(n?len|n?cmp|n?cpy|chr|error)|malloc|calloc|realloc|free|abs|labs|ato[ifl]|time|clock|"
    r"s?rand|get(pid|ppid|uid|gid)|printf|puts|putchar|fflush|a?(sin|cos|tan)h?|sqrt|pow|exp|log(10|2)?|floor|ceil|fabs"
)
"""What code may look up unasked in Python's own process, where all of the C library lies."""


def effects_of(event: str, args: tuple[Any, ...]) -> Iterator[Effect]:
    """Yield what an event is about to do beyond the namespace."""
    if (read := _READERS.get(event)) is not None:
        yield from read(args)


def absolute(path: Any, dir_fd: Any = -1) -> str:
    """Return where a path leads, links before its last part followed; empty for no path."""
    if isinstance(path, int):
        with suppress(OSError):
            return str(Path(f"/proc/self/fd/{path}").readlink())
        return ""
    text = os.fsdecode(path)
    if not os.path.isabs(text) and isinstance(dir_fd, int) and dir_fd >= 0:
        with suppress(OSError):
            text = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), text)
    head, tail = os.path.split(os.path.abspath(text))
    return os.path.join(os.path.realpath(head), tail)


# -- files


def _opened(args: tuple[Any, ...]) -> Iterator[Effect]:
    path, mode, flags = args[:3]
    if isinstance(flags, int) and flags & WRITING and not isinstance(path, int):
        name = os.fsdecode(path)
        # `os.open` does not tell its `dir_fd`
        quiet = mode is None and not os.path.isabs(name) and not called_by(pathlib.__file__)
        below = open_folders() if quiet else ()
        for real in dict.fromkeys(os.path.realpath(os.path.join(folder, name)) for folder in ("", *below)):
            bytecode = f"{os.sep}__pycache__{os.sep}" in real and called_by("<frozen importlib")
            if not bytecode and not os.path.isdir(real):  # a folder is opened so for a file without a name
                yield Effect("write", real)


def _written(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield Effect("write", absolute(args[0], args[2] if len(args) > 2 else -1))


def _followed(path: Any, dir_fd: Any = -1) -> Iterator[Effect]:
    """Yield a change of what a path leads to, all links followed."""
    yield Effect("write", os.path.realpath(absolute(path, dir_fd)))


def _folder_made(args: tuple[Any, ...]) -> Iterator[Effect]:
    if not os.path.lexists(path := absolute(args[0], args[2])):
        yield Effect("write", path)


def _deleted(args: tuple[Any, ...]) -> Iterator[Effect]:
    path = absolute(args[0], args[1] if len(args) > 1 else -1)
    if path and not (is_temporary(path) and is_finalizer()):
        yield Effect("delete", path)


def _renamed(args: tuple[Any, ...]) -> Iterator[Effect]:
    source, target, *folders = args
    from_fd, to_fd = (*folders, -1, -1)[:2]
    target = absolute(target, to_fd)
    if not (f"{os.sep}__pycache__{os.sep}" in target and called_by("<frozen importlib")):
        yield Effect("rename", absolute(source, from_fd), target)


def _linked(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield from _followed(args[0], args[2] if len(args) > 2 else -1)
    yield Effect("write", absolute(args[1], args[3] if len(args) > 3 else -1))


def _pointed(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield Effect("write", absolute(args[1], args[2] if len(args) > 2 else -1))


# -- processes


def _popen(args: tuple[Any, ...]) -> Iterator[Effect]:
    executable, words, folder, environment = args
    listed = [words] if isinstance(words, str | bytes | os.PathLike) else list(words)
    texts = list(map(os.fsdecode, listed))
    if executable is not None and texts and os.fsdecode(executable) != texts[0]:
        texts[0] = os.fsdecode(executable)
    yield Effect("process", told_line(texts), "" if folder is None else os.path.abspath(os.fsdecode(folder)))
    yield from _changed_variables(environment)


def _changed_variables(environment: Any) -> Iterator[Effect]:
    """Yield the variables that a child gets otherwise than this process has them."""
    if isinstance(environment, Mapping):
        for key, value in environment.items():
            name = os.fsdecode(key)
            if os.environ.get(name) != os.fsdecode(value):
                yield Effect("environment", name)


def _executed(args: tuple[Any, ...]) -> Iterator[Effect]:
    path, words, environment = args
    program = absolute(path) if isinstance(path, int) else os.fsdecode(path)
    texts = [program or f"the open file {path}", *map(os.fsdecode, words[1:])]
    yield Effect("process", told_line(texts))
    yield from _changed_variables(environment)


def _command_line(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield Effect("process", os.fsdecode(args[0]))


def _pty(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield Effect("process", told_line([os.fsdecode(word) for word in args[0]]))


def _forked(_: tuple[Any, ...]) -> Iterator[Effect]:
    """Tell what a fork is for: alone it is harmless; pexpect, by which IPython runs `!`, says it."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "spawn" and frame.f_globals.get("__name__") == "ptyprocess.ptyprocess":
            words = [os.fsdecode(word) for word in frame.f_locals["argv"]]
            yield Effect("process", told_line(words))
            return
        frame = frame.f_back


def _spawned(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield from _executed(args[1:])


def _signalled(args: tuple[Any, ...]) -> Iterator[Effect]:
    pid, number = args[:2]
    if number and not _is_ours(abs(int(pid))):
        yield Effect("signal", str(pid), str(number))


def _is_ours(pid: int) -> bool:
    """Whether a process is this one, or was started by it."""
    import psutil

    if pid == os.getpid():
        return True
    with suppress(psutil.Error):
        return any(parent.pid == os.getpid() for parent in psutil.Process(pid).parents())
    return False


# -- the network


def _connected(args: tuple[Any, ...]) -> Iterator[Effect]:
    address = args[1]
    if isinstance(address, tuple):
        yield Effect("host", _host(address[0]))
    elif address:
        path = os.fsdecode(address)
        yield Effect("write", path if path.startswith("\0") else os.path.realpath(path))


def _looked_up(args: tuple[Any, ...]) -> Iterator[Effect]:
    if args[0]:
        host = args[0]
        yield Effect("host", _host(host[0] if isinstance(host, tuple) else host))


def _host(name: Any) -> str:
    return os.fsdecode(bytes(name) if isinstance(name, bytearray) else name)


def _browsed(args: tuple[Any, ...]) -> Iterator[Effect]:
    if host := urlsplit(str(args[0])).hostname:
        yield Effect("host", host)


def _requested(args: tuple[Any, ...]) -> Iterator[Effect]:
    """Yield the real host of what goes through a proxy, which its first line names."""
    head = bytes(args[1][:300]) if isinstance(args[1], bytes | bytearray) else b""
    if match := re.match(rb"CONNECT (\[[^\]]+\]|[^\s:]+)|[A-Z]+ https?://([^\s/:]+)", head):
        yield Effect("host", (match[1] or match[2]).decode("ascii", "replace"))


# -- the process itself


def _loaded(args: tuple[Any, ...]) -> Iterator[Effect]:
    if not called_by_library():
        yield Effect("library", str(args[0]))


def _symbol(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield from _looked_up_symbol(getattr(args[0], "_name", None), args[1])


def _looked_up_symbol(library: str | None, symbol: Any) -> Iterator[Effect]:
    """Yield the look-up of a function of C; what is no library of its own (by its handle, too) holds all of them."""
    name = os.fsdecode(symbol) if isinstance(symbol, str | bytes) else str(symbol)
    harmless = not _GRAVE_SYMBOLS.fullmatch(name) and (library or _PYTHONS_SYMBOLS.fullmatch(name))
    if not harmless and not called_by_library():
        yield Effect("library", f"{library or 'the C library'}: {name}")


def _called_address(args: tuple[Any, ...]) -> Iterator[Effect]:
    if not called_by_library():
        yield Effect("library", f"the function at {int(args[0]):#x}")


def _limited(args: tuple[Any, ...]) -> Iterator[Effect]:
    """Yield limits of another process that are set, not only read."""
    pid, which, limits = args[:3]
    if limits is not None and int(pid) and not _is_ours(int(pid)):
        yield Effect("limit", str(pid), str(which))


def _imported(args: tuple[Any, ...]) -> Iterator[Effect]:
    module, path = args[:2]
    if isinstance(path, str) and not is_installed(os.path.realpath(path)):
        yield Effect("library", f"{path} ({module})")


def _database(args: tuple[Any, ...]) -> Iterator[Effect]:
    """Yield a database that is opened: it may be written; what it attaches later is not told of."""
    name = os.fsdecode(args[0]) if isinstance(args[0], str | bytes | os.PathLike) else ""
    if not name.startswith("file:"):
        names = {name}
    else:  # as an address, and as the name of a file, which it is too where addresses are off
        names = {_file_of_address(name)} | ({name} if os.path.isdir(os.path.dirname(name)) else set())
    for each in sorted(names - {"", ":memory:"}):
        yield Effect("write", os.path.realpath(each))


def _file_of_address(address: str) -> str:
    """Return the file that SQLite opens for `file:PATH?OPTIONS#...`; empty where it opens it to read only."""
    path, _, options = address.removeprefix("file:").partition("#")[0].partition("?")
    if path.startswith("//"):
        path = path[2:].partition("/")[1] + path[2:].partition("/")[2]
    given = [option.partition("=")[::2] for option in options.split("&")]
    modes = {value for key, value in given if key == "mode"}
    if (modes and modes <= {"ro", "memory"}) or ("immutable", "1") in given:
        return ""
    return os.fsdecode(unquote_to_bytes(path).partition(b"\0")[0])


def _interpreter(_: tuple[Any, ...]) -> Iterator[Effect]:
    yield Effect("library", "another interpreter of Python, whose doings are not told")


def _extension(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield Effect("library", os.fsdecode(args[1]))


def _unpickled(args: tuple[Any, ...]) -> Iterator[Effect]:
    yield Effect("unpickle", f"{args[0]}.{args[1]}")


def _variable(args: tuple[Any, ...]) -> Iterator[Effect]:
    evaluated = len(args) > 1 and re.search(rb"\$\(|`|^module:", os.fsencode(args[1])) is not None
    yield Effect("environment", os.fsdecode(args[0]), "holds a command" if evaluated else "")


_READERS: dict[str, Callable[[tuple[Any, ...]], Iterator[Effect]]] = {
    "open": _opened,
    "os.mkdir": _folder_made,
    "os.chmod": lambda args: _followed(args[0], args[2]),
    "os.chown": lambda args: _followed(args[0], args[3]),
    "os.utime": lambda args: _followed(args[0], args[3]),
    "os.setxattr": lambda args: _followed(args[0]),
    "os.removexattr": lambda args: _followed(args[0]),
    "os.truncate": lambda args: _followed(args[0]),
    "os.remove": _deleted,
    "os.rmdir": _deleted,
    "shutil.rmtree": _deleted,
    "os.rename": _renamed,
    "os.link": _linked,
    "os.symlink": _pointed,
    "subprocess.Popen": _popen,
    "os.system": _command_line,
    "os.exec": _executed,
    "os.posix_spawn": _executed,
    "os.spawn": _spawned,
    "os.startfile": _command_line,
    "pty.spawn": _pty,
    "os.fork": _forked,
    "os.forkpty": _forked,
    "os.kill": _signalled,
    "os.killpg": _signalled,
    "resource.prlimit": _limited,
    "socket.connect": _connected,
    "socket.sendto": _connected,
    "socket.sendmsg": _connected,
    "socket.getaddrinfo": _looked_up,
    "socket.gethostbyname": _looked_up,
    "socket.gethostbyaddr": _looked_up,
    "socket.getnameinfo": lambda args: _looked_up(args[0]),
    "webbrowser.open": _browsed,
    "http.client.send": _requested,
    "ctypes.dlopen": _loaded,
    "ctypes.dlsym": _symbol,
    "ctypes.dlsym/handle": lambda args: _looked_up_symbol(None, args[1]),
    "ctypes.call_function": _called_address,
    "import": _imported,
    "sqlite3.connect": _database,
    "sqlite3.load_extension": _extension,
    "cpython.PyInterpreterState_New": _interpreter,
    "pickle.find_class": _unpickled,
    "os.putenv": _variable,
    "os.unsetenv": _variable,
}
HEARD = frozenset(_READERS) | {"socket.bind"}
"""The events that may be effects."""
