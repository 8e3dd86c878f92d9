"""Errors told in terms of the code that was run: `step 3, line 7`, with its source, and nothing of the machinery."""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType

import agentloop_nb
from agentloop_nb.notebook.kernel.values_at_fault import values_at_fault
from agentloop_nb.protocols import CodeError

MAX_FRAMES = 8
"""Frames of one error that are told; the middle of a longer path is left out."""
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

_OURS = str(Path(agentloop_nb.__file__).parent)

Place = Callable[[str], str | None]
"""Names the code of a file name (`step 3`, `cell In[4]`), or None for code that is no cell."""


def code_error(error: BaseException, place: Place, here: str) -> CodeError:
    """Tell an error that ended the code. `here` is the file name of the step's own code."""
    return CodeError(
        type=type(error).__name__,
        message=error.msg if isinstance(error, SyntaxError) else _message(error),
        traceback=f"{_tell(error, place)}\n{values_at_fault(error, place)}".rstrip("\n"),
        line=_line(error, here),
    )


def where(frame: FrameType | None, place: Place) -> str | None:
    """Say which line of the user's or the model's code a running frame is at: `step 3, line 7: time.sleep(100)`."""
    while frame is not None:
        if name := place(frame.f_code.co_filename):
            source = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            return f"{name}, line {frame.f_lineno}: {source}"
        frame = frame.f_back
    return None


def innermost(error: BaseException, place: Place) -> str | None:
    """Say at which line of the user's or the model's code an error was raised."""
    found = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if place(frame.f_code.co_filename)]
    if not found:
        return None
    frame, line = found[-1]
    source = linecache.getline(frame.f_code.co_filename, line).strip()
    return f"{place(frame.f_code.co_filename)}, line {line}: {source}"


def _line(error: BaseException, here: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == here:
        return error.lineno
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == here]
    return lines[-1] if lines else None


def _tell(error: BaseException, place: Place) -> str:
    parts = []
    for link, member in _chain(error):
        parts.append(link)
        parts.append(_frames(member.__traceback__, place))
        parts.append(_last_lines(member, place))
    return "".join(parts).rstrip("\n")


def _chain(error: BaseException, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, BaseException]]:
    """Yield the error's causes, oldest first, each with the sentence that links it to the one before."""
    before, link = error.__cause__, _CAUSE
    if before is None and not error.__suppress_context__:
        before, link = error.__context__, _CONTEXT
    seen = seen | {id(error)}
    if before is None or id(before) in seen or len(seen) > 4:
        yield "", error
        return
    yield from _chain(before, seen)
    yield link, error


def _frames(tb: TracebackType | None, place: Place) -> str:
    """Tell the frames from the first one of a cell on; of library code only the last."""
    told: list[str] = []
    own = False
    library: tuple[FrameType, int] | None = None
    for frame, line in traceback.walk_tb(tb):
        name = place(frame.f_code.co_filename)
        if name is None:
            if own and not frame.f_code.co_filename.startswith(_OURS):
                library = (frame, line)
            continue
        own, library = True, None
        told.append(_frame(frame, line, name))
    if library is not None:
        frame, line = library
        source = linecache.getline(frame.f_code.co_filename, line).strip()
        told.append(f"  {_short(frame.f_code.co_filename)}, line {line}, in {frame.f_code.co_name}: {source}\n")
    if len(told) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        told[half:-half] = [f"  [… {len(told) - MAX_FRAMES} frames left out …]\n"]
    return "".join(["Traceback (most recent call last):\n", *told]) if told else ""


def _frame(frame: FrameType, line: int, name: str) -> str:
    code = frame.f_code
    lines = [f"  {name}, line {line}, in {code.co_name}\n"]
    for number in range(max(line - 2, 1), line + 2):
        source = linecache.getline(code.co_filename, number).rstrip()
        if source or number == line:
            lines.append(f"    {'->' if number == line else '  '} {number:>3} | {source}\n")
    return "".join(lines)


def _last_lines(error: BaseException, place: Place) -> str:
    """Return the error's type and message as Python prints them: with carets, notes and suggestions."""
    try:
        told = traceback.TracebackException(type(error), error, error.__traceback__, limit=0)
        text = "".join(told.format_exception_only())
    except BaseException:
        return f"{type(error).__name__}: {_message(error)}\n"
    if isinstance(error, SyntaxError) and error.filename and (name := place(error.filename)):
        text = text.replace(f'File "{error.filename}"', name)
    if isinstance(error, BaseExceptionGroup):
        text += "".join(f"  - {_last_lines(each, place)}" for each in error.exceptions[:10])
    return text


def _short(filename: str) -> str:
    """Return the path of library code from where it was installed."""
    path = Path(filename)
    for root in sorted(map(Path, filter(None, sys.path)), key=lambda root: -len(str(root))):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as inner:
        return f"<its message failed: {type(inner).__name__}>"
