"""What the questions on a terminal have in common: whether somebody can type, a line, and a text in the editor."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class TerminalPrompt:
    """Base of what asks a person on a terminal."""

    def __init__(self, console: Console, before: Callable[[], None]) -> None:
        self._console = console
        self._before = before
        """Called before each question, so that nothing moves on the screen."""

    async def _line(self, question: str, seconds: float) -> str:
        """Ask, and return what was typed. Raises what `read_line` raises."""
        self._console.print(question, end="")
        self._console.file.flush()
        return await read_line(seconds)


def has_terminal() -> bool:
    """Whether a person can type: standard input is a terminal, and this process is not in its background."""
    if not sys.stdin or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):  # Windows; a terminal that is none of this process
        return True


async def in_editor(text: str, suffix: str) -> str:
    """Return `text` as the person leaves it in $VISUAL, $EDITOR or vi. Raises OSError."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"action{suffix}"
        path.write_text(text, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(*command, str(path))
        if await process.wait():
            raise OSError(f"the editor {command[0]} failed")
        return path.read_text(encoding="utf-8")


async def read_line(seconds: float = 0) -> str:
    """Read a line without blocking the loop, so that a stop is obeyed meanwhile; empty where there is no more.

    Raises `TimeoutError` where nothing was typed in `seconds`, unless that is 0.
    """
    try:
        async with asyncio.timeout(seconds or None):
            return await _line()
    except TimeoutError:
        print()  # what comes next begins a line
        raise


async def _line() -> str:
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not line.done():
            line.set_result(sys.stdin.readline())

    try:
        loop.add_reader(sys.stdin.fileno(), read)
    except (NotImplementedError, OSError, ValueError):  # Windows; a stdin without a descriptor
        return await asyncio.to_thread(sys.stdin.readline)
    try:
        return await line
    finally:
        loop.remove_reader(sys.stdin.fileno())
