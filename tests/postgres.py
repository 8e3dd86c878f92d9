"""A PostgreSQL server of a test's own, on loopback, from Debian's package."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "of-this-test-alone"


def programs() -> Path | None:
    """Where initdb and postgres are; None where PostgreSQL is not installed, or nobody may start it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    there = Path(found[0]) if found else Path(shutil.which("initdb") or "")
    may_start = os.geteuid() != 0 or (shutil.which("runuser") and _has_user("postgres"))
    return there.parent if there.name and may_start else None


def _has_user(name: str) -> bool:
    import pwd

    return any(entry.pw_name == name for entry in pwd.getpwall())


def _as_server(command: list[str], folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    shutil.chown(folder, "postgres", "postgres")
    return ["runuser", "-u", "postgres", "--", *command]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(bin_folder: Path) -> Iterator[dict[str, str]]:
    """Run a server; yields what to connect with."""
    with tempfile.TemporaryDirectory(prefix="agentloop-pg-") as home:
        folder, port = Path(home), _free_port()
        secret = folder / "password"
        secret.write_text(PASSWORD)
        data = folder / "data"
        made = [bin_folder / "initdb", "-D", data, "-U", "ann", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8"]
        secret.chmod(0o644)
        command = _as_server([*map(str, made), f"--pwfile={secret}"], folder)
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        flags = [f"-c{name}={value}" for name, value in options.items()]
        run = _as_server([str(bin_folder / "postgres"), "-D", str(data), *flags], folder)
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(run, cwd=folder, stdout=log, stderr=log)
        try:
            _wait([str(bin_folder / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)], server, folder / "log")
            yield {"host": "127.0.0.1", "port": str(port), "user": "ann", "password": PASSWORD, "dbname": "postgres"}
        finally:
            stop = [str(bin_folder / "pg_ctl"), "stop", "-D", str(data), "-m", "immediate"]
            subprocess.run(_as_server(stop, folder), cwd=folder, check=True, capture_output=True)
            server.wait(20)


def _wait(is_ready: list[str], server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            break
        if subprocess.run(is_ready, check=False).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")
