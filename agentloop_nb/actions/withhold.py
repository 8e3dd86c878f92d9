"""What a model is told of code that ran when it may not see the user's data (`--privacy schema` and `none`)."""

from __future__ import annotations

import ast
import re

from agentloop_nb.protocols import Change, CodeError, CodeOutcome, Output, Privacy

_SPEAKING_OF_CODE = re.compile(
    r"name '(\w{1,80})' is not defined\b.*|No module named '([\w.]{1,80})'.*|cannot import name '(\w{1,80})' from .*",
    re.DOTALL,
)
"""Messages that name what stands in the code; told are they only where it does."""
WITHHELD = "(message withheld)"
"""What a model is told in place of a message that may quote a value."""
_COUNTED = frozenset({"list", "tuple", "dict", "set", "frozenset"})
_DETAIL = re.compile(r"\d+(?: x \d+)*|[A-Za-z]\w{0,30}(?:\[(?:ns|us|ms|s|D)(?:, [\w/+:-]{1,40})?\])?\[\d*(?: x \d+)*\]")
"""Shape and dtype of tables and arrays."""


def withhold(outcome: CodeOutcome, privacy: Privacy, code: str = "") -> CodeOutcome:
    """Return an outcome without any value: how much was shown, which error where, which names of which type."""
    note = f"Values are withheld (--privacy {privacy}): {_amount(outcome.outputs)}." if outcome.outputs else ""
    return CodeOutcome(
        ending=outcome.ending,
        error=outcome.error and _error(outcome.error, code),
        changes=tuple(_change(change, privacy) for change in outcome.changes),
        files=outcome.files,
        read=outcome.read,
        notes=tuple(filter(None, [note, *outcome.notes])),
    )


def _amount(outputs: tuple[Output, ...]) -> str:
    text = "".join(str(output["text"]) for output in outputs if output["output_type"] == "stream")
    lines = len(text.splitlines())
    shown = [output.get("data", {}) for output in outputs if "data" in output]
    figures = sum(any(mime.startswith("image/") for mime in data) for data in shown)
    counts = ((lines, "line"), (figures, "figure"), (len(shown) - figures, "other output"))
    parts = [f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts if count]
    return f"{', '.join(parts)} shown to the user" if parts else "nothing was shown"


def _error(error: CodeError, code: str) -> CodeError:
    """Type and place; of the message what names something that stands in the code, because most quote values."""
    message = _allowed_message(error, code)
    where = f"step line {error.line}: " if error.line else ""
    return CodeError(type=error.type, message=message, traceback=f"{where}{error.type}: {message}", line=error.line)


def _change(change: Change, privacy: Privacy) -> Change:
    if privacy != "schema":
        return Change(name=change.name, how=change.how)
    shaped = _DETAIL.fullmatch(change.detail) or (change.type in _COUNTED and change.detail.startswith("len "))
    return Change(name=change.name, how=change.how, type=change.type, detail=change.detail if shaped else "")


def _allowed_message(error: CodeError, code: str) -> str:
    if error.type in ("SyntaxError", "IndentationError", "TabError"):
        return _syntax_problem(code)
    found = _SPEAKING_OF_CODE.fullmatch(error.message)
    name = next(filter(None, found.groups()), "") if found else ""
    if error.type not in ("NameError", "ModuleNotFoundError", "ImportError") or not name or name not in code:
        return WITHHELD
    return {"NameError": f"name {name!r} is not defined", "ImportError": f"cannot import name {name!r}"}.get(
        error.type, f"No module named {name!r}"
    )


def _syntax_problem(code: str) -> str:
    """Return what is wrong with the code itself; an error in a text that it read is not told."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        return str(error.msg)
    except (ValueError, RecursionError, MemoryError):
        pass
    return WITHHELD
