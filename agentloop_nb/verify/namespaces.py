"""Seal the fresh kernel off by the system's own means. Runs inside its process, before anything else; Linux only.

Best are namespaces: files outside do not exist there, nor do other processes or a network. Where those are refused,
Landlock keeps the process and its children from reading and listing what is outside. `python -c` runs this file alone.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import sysconfig
from typing import Any

NEWUSER, NEWNS, OTHERS = 0x10000000, 0x00020000, 0x40000000 | 0x20000000 | 0x08000000 | 0x04000000
BIND, RECURSIVE, PRIVATE, DETACH = 0x1000, 0x4000, 0x40000, 2
NOSUID_NODEV = 2 | 4
PIVOT_ROOT, MOUNT_SETATTR = {"x86_64": (155, 442), "aarch64": (41, 442)}.get(os.uname().machine, (0, 442))
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ, EXECUTE, LIST = 1 << 2, 1, 1 << 3
EVERYTHING = (1 << 13) - 1
"""All rights of the first version of Landlock."""
NO_NEW_PRIVILEGES, DIES_WITH_PARENT = 38, 1

PREFIX = (
    *("bin", "sbin", "lib", "lib32", "lib64", "libexec", "share", "etc", "include", "ssl", "fonts", "conda-meta"),
    *("pyvenv.cfg", "Scripts", "DLLs", "Lib", "Library", "plugins", "translations"),
)
"""What belongs to an installed Python, of the folder that it is installed in."""
SYSTEM = (
    *(f"/{name}" for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "System", "Library")),
    *(f"/usr/{name}" for name in PREFIX),
    *(f"/usr/local/{name}" for name in ("bin", "sbin", "lib", "lib64", "libexec", "share/fonts", "cuda")),
    *(f"/etc/{name}" for name in ("alternatives", "fonts", "ssl", "pki", "ca-certificates", "ld.so.cache")),
    *(
        f"/etc/{name}"
        for name in ("ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "nsswitch.conf", "mime.types")
    ),
    *(f"/etc/{name}" for name in ("protocols", "services", "gai.conf", "host.conf", "locale.alias", "os-release")),
    *(f"/etc/{name}" for name in ("inputrc", "magic", "terminfo", "ImageMagick-6", "OpenCL", "vulkan", "papersize")),
    *("/etc/apache2/mime.types", "/etc/httpd/conf/mime.types", "/etc/matplotlibrc", "/var/cache/fontconfig"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node", "/usr/share/fonts"),
    *("/opt/homebrew/lib", "/opt/homebrew/bin", "/opt/homebrew/Cellar", "/opt/homebrew/opt", "/opt/cuda"),
)
"""The system's programs, libraries, fonts, time zones and certificates."""
HIDDEN = tuple(f"/usr/share/{name}" for name in ("dict", "doc", "common-licenses", "man", "info"))
"""Data that lies among them."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")


def environment() -> "list[str]":
    """Return the places of the installed Python, its packages and the system's files, links followed too."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    places = {os.path.join(prefix, name) for prefix in prefixes for name in PREFIX}
    places |= {*SYSTEM, *sysconfig.get_paths().values()}
    for entry in filter(None, sys.path):
        places |= {entry} if entry.endswith(("-packages", ".zip")) or "lib-dynload" in entry else _modules(entry)
    found = {place for place in places if os.path.lexists(place)}
    return sorted(found | {os.path.realpath(place) for place in found})


def _modules(entry: str) -> "set[str]":
    """Find the modules of a folder that is on the path for development: data beside them is no part of it."""
    if any(entry.startswith(prefix + "/lib") for prefix in (sys.prefix, sys.base_prefix)):
        return {entry}
    try:
        names = os.listdir(entry)
    except OSError:
        return set()
    inside = [os.path.join(entry, name) for name in names]
    return {
        each for each in inside if each.endswith((".py", ".so")) or os.path.isfile(os.path.join(each, "__init__.py"))
    }


# -- system calls


def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _mount(source: "str | None", target: str, kind: "str | None" = None, flags: int = 0, data: str = "") -> None:
    texts = [os.fsencode(each) if each is not None else None for each in (source, target, kind)]
    _check(_library().mount(*texts, ctypes.c_ulong(flags), data.encode() or None))


def _unshare() -> None:
    """Leave the user's namespaces; root can do so where users' own namespaces are forbidden."""
    uid, gid = os.getuid(), os.getgid()
    if _library().unshare(NEWUSER | NEWNS | OTHERS) < 0:
        _check(_library().unshare(NEWNS | OTHERS))
        return
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


# -- namespaces


def enter(view: "dict[str, Any]") -> bool:
    """Go on in a process that sees nothing but `view`; False where the system does not let us.

    The process that was started stays, waits, and ends as that one does; whoever kills it kills all of them.
    """
    if not sys.platform.startswith("linux") or not PIVOT_ROOT:
        return False
    hear, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        if os.read(hear, 1) == b"y":
            _wait_for(child)
        os.close(hear)
        os.waitpid(child, 0)
        return False
    try:
        _prepare(view)
    except BaseException:  # noqa: BLE001 - the other process goes on without
        os._exit(1)
    os.write(tell, b"y")
    os.close(tell)
    os.close(hear)
    return True


def _prepare(view: "dict[str, Any]") -> None:
    die_with_parent()
    _unshare()
    _in_first_process(view)


def _in_first_process(view: "dict[str, Any]") -> None:
    """Make the view in the first process of the new namespace, and go on in the second, which may be killed."""
    hear, tell = os.pipe()
    child = os.fork()
    if child:
        _follow(child, hear, tell)
    die_with_parent()
    _build(view)
    socket.sethostname("localhost")
    _loopback()
    second = os.fork()
    if second:
        os.close(tell)
        _wait_for(second)
    die_with_parent()
    os.write(tell, b"y")
    os.close(tell)


def _follow(child: int, hear: int, tell: int) -> None:
    os.close(tell)
    os.close(hear)
    _wait_for(child)


def die_with_parent() -> None:
    """End at once when the thread that started this process does: a killed parent leaves nobody to end it."""
    _library().prctl(DIES_WITH_PARENT, signal.SIGKILL)


def _wait_for(child: int) -> None:
    """Reap children until this one ends, and end the same way."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _build(view: "dict[str, Any]") -> None:
    """Make a new root of folders of the old one, and move into it."""
    base = view["base"]
    _mount(None, "/", None, RECURSIVE | PRIVATE)
    _mount("tmpfs", base, "tmpfs", NOSUID_NODEV, "mode=755")
    if view["open"]:
        _bind("/", base, "/")
    else:
        _furnish(base, view, view["places"])
        for target, source in view["given"].items():
            _bind(source, base, target)
    _bind(view["root"], base, view["root"], writable=True)
    os.chdir(base)
    _check(_library().syscall(PIVOT_ROOT, b".", b"."))
    _check(_library().umount2(b".", DETACH))
    os.chdir(view["folder"])


def _furnish(base: str, view: "dict[str, Any]", places: "list[str]") -> None:
    for name in ("/tmp", "/var/tmp", "/dev/shm"):  # first, because Python may be installed below one of them
        os.makedirs(base + name, exist_ok=True)
        _mount("tmpfs", base + name, "tmpfs", NOSUID_NODEV, "mode=1777")
    done: list[str] = []
    for place in places:
        if not any(place.startswith(each + "/") for each in done):
            done += [] if os.path.islink(place) else [place]
            _bind(place, base, place)
    for place in (each for each in view["hidden"] if os.path.isdir(base + each)):
        _mount("tmpfs", base + place, "tmpfs", NOSUID_NODEV)
    for name in ("/dev/pts", "/proc"):
        os.makedirs(base + name, exist_ok=True)
    _mount("proc", base + "/proc", "proc", NOSUID_NODEV)
    _mount("devpts", base + "/dev/pts", "devpts", 2, "newinstance,ptmxmode=0666,mode=620")
    for name in filter(os.path.exists, DEVICES):
        _bind(name, base, name, writable=True)
    for link, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1")):
        os.symlink(target, f"{base}/dev/{link}")
    os.symlink("fd/2", f"{base}/dev/stderr")
    _name_people(base)


def _name_people(base: str) -> None:
    import pwd

    os.makedirs(base + "/etc", exist_ok=True)
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = "user"
    home = os.environ.get("HOME", "/")
    texts = {
        "passwd": f"{name}:x:{os.getuid()}:{os.getgid()}::{home}:/bin/sh\n",
        "group": f"{name}:x:{os.getgid()}:\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    }
    for file, text in texts.items():
        with open(f"{base}/etc/{file}", "w") as out:
            out.write(text)


def _bind(source: str, base: str, name: str, *, writable: bool = False) -> None:
    target = base + name
    if os.path.islink(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(os.path.realpath(source), target)
        return
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        open(target, "w").close()
    _mount(source, target, None, BIND | RECURSIVE)
    if not writable:
        read_only = struct.pack("QQQQ", 1, 0, 0, 0)
        _library().syscall(MOUNT_SETATTR, -100, os.fsencode(target), 0x8000, read_only, len(read_only))


def _loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        fcntl.ioctl(each, 0x8914, struct.pack("16sH14x", b"lo", 1 | 64))


# -- Landlock


def restrict(readable: "list[str]", writable: "list[str]") -> bool:
    """Let this process and its children read and list these places only; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    library = _library()
    handled = struct.pack("Q", EVERYTHING)
    rules = library.syscall(LANDLOCK_CREATE, handled, ctypes.c_size_t(len(handled)), 0)
    if rules < 0 or library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) < 0:
        return False
    for place in readable:
        _allow(rules, place, READ | EXECUTE | LIST)
    for place in (*writable, *DEVICES, "/dev/pts", "/dev/ptmx", "/dev/shm", "/proc"):
        _allow(rules, place, EVERYTHING)
    for place in ("/tmp", "/var/tmp"):  # what lies there is not the notebook's; it may save something there
        _allow(rules, place, EVERYTHING & ~(READ | EXECUTE | LIST))
    held = library.syscall(LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return bool(held)


def _allow(rules: int, place: str, rights: int) -> None:
    try:
        there = os.open(place, os.O_PATH)
    except OSError:
        return
    if not os.path.isdir(place):
        rights &= EXECUTE | READ | 1 << 1
    rule = struct.pack("=Qi", rights, there)
    _library().syscall(LANDLOCK_ADD, rules, 1, rule, 0)
    os.close(there)
