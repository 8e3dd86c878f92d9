"""A process beside an engine: when the engine is gone, it ends what was started for runs and removes their folders."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from contextlib import suppress

ROUNDS, PAUSE = 5, 0.2
"""How often processes are looked for, and the seconds in between."""


def main() -> None:
    """Read folders that are in use (`+`) or no longer (`-`) until nobody writes any more; then clean up."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    folders: set[str] = set()
    for line in sys.stdin:
        folder = line[1:].rstrip("\n")
        (folders.add if line[0] == "+" else folders.discard)(folder)
    if not folders:
        return
    for _ in range(ROUNDS):
        end_all({f"{folder}/home" for folder in folders})
        time.sleep(PAUSE)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def end_all(homes: set[str]) -> None:
    """End every process whose home is one of these."""
    import psutil

    for each in psutil.process_iter(["environ"]):
        if (each.info["environ"] or {}).get("HOME") in homes:
            with suppress(psutil.Error):
                each.kill()
