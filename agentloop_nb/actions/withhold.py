"""What a model is told of code that ran when it may not see the user's data (`--privacy schema` and `none`)."""

from __future__ import annotations

from agentloop_nb.protocols import Change, CodeError, CodeOutcome, Output, Privacy

_SPEAKING_OF_CODE = frozenset({"ImportError", "IndentationError", "ModuleNotFoundError", "NameError", "SyntaxError"})
"""Errors whose message names what stands in the code, not what is in the data."""


def withhold(outcome: CodeOutcome, privacy: Privacy) -> CodeOutcome:
    """Return an outcome without any value: how much was shown, which error where, which names of which type."""
    note = f"Values are withheld (--privacy {privacy}): {_amount(outcome.outputs)}." if outcome.outputs else ""
    return CodeOutcome(
        ending=outcome.ending,
        error=outcome.error and _error(outcome.error),
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


def _error(error: CodeError) -> CodeError:
    """Type and place; the message only where it speaks of code, because most quote values."""
    message = error.message if error.type in _SPEAKING_OF_CODE else "(message withheld)"
    where = f"step line {error.line}: " if error.line else ""
    return CodeError(type=error.type, message=message, traceback=f"{where}{error.type}: {message}", line=error.line)


def _change(change: Change, privacy: Privacy) -> Change:
    return change if privacy == "schema" else Change(name=change.name, how=change.how)
