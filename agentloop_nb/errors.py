"""Three families of errors: told to the user, told to the model, and faults of a model server.

What can be typed next is data, a `Hint`; `worded` puts it into words, at the edge where a person reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Front = Literal["notebook", "shell"]
"""Where a person types."""


class Hint(NamedTuple):
    """A command of ours that leads on, without the word it begins with."""

    command: str
    """`resume --max-steps 70`; empty stands for giving a goal."""
    does: str = ""
    """What follows it: `lists them`."""
    lead: str = ""
    """What stands between it and what was said before; a colon, or a semicolon before one that says what it does."""
    only: str = ""
    """The front where it lives; empty: both."""

    def worded(self, front: Front) -> str:
        """Return it as it is typed there, with what it does."""
        word = "agentloop" if front == "shell" else "%agent" if self.command else "%%agent"
        return " ".join(filter(None, (word, self.command, self.does)))


def worded(said: str, hints: Iterable[Hint], front: Front = "notebook") -> str:
    """Put what happened and what can be typed into one line."""
    for hint in hints:
        if hint.only in ("", front):
            said += f"{hint.lead or ('; ' if hint.does else ': ')}{hint.worded(front)}"
    return said


class UserError(Exception):
    """The user's next step is clear: one line, says what to type; shown without a traceback."""

    def __init__(self, said: object = "", *hints: Hint) -> None:
        super().__init__(said)
        self.said = str(said)
        self.hints = hints

    def __str__(self) -> str:
        return self.worded("notebook")

    def worded(self, front: Front) -> str:
        """Return the message as it is said there."""
        return worded(self.said, self.hints, front)

    def _render_traceback_(self) -> list[str]:
        """Show only the message in IPython (its documented hook)."""
        return [f"{type(self).__name__}: {self}"]


class AgentStopped(UserError):
    """A run was stopped by the user; raised so that `Run All` stops too."""


class AgentFailed(UserError):
    """A run ended as `failed` (or, under `--strict`, met a limit); raised so that `Run All` stops too."""


class ToldToModel(Exception):
    """Its message goes back to the model as an observation; the run goes on."""


class DecisionError(ToldToModel):
    """A reply is no valid decision. The message says what to change, in words a model can act on."""


class ActionFailed(ToldToModel):
    """An action could not be carried out (blocked address, file outside the folder, no result)."""


class Offline(ActionFailed):
    """A look-up failed because there is no network: another one would, too."""


class ModelFault(Exception):
    """A model call that brought no usable reply.

    `billed` says that the attempt may have been billed; it then counts at its worst case. A refusal before any token
    was made has it false.
    """

    def __init__(self, message: str, *, billed: bool = False) -> None:
        super().__init__(message)
        self.billed = billed


class TransientFault(ModelFault):
    """Worth trying again: rate limit, 5xx, reset, stall, broken stream."""

    def __init__(
        self, message: str, *, billed: bool = False, retry_after: float | None = None, patience: float | None = None
    ) -> None:
        super().__init__(message, billed=billed)
        self.retry_after = retry_after
        """Seconds the server asked us to wait, if it did."""
        self.patience = patience
        """Seconds that are worth waiting for the server to come (back); None: it is up, so tries are counted."""


class PermanentFault(ModelFault):
    """Trying again cannot help: wrong key, unknown model, no credit. It says what to do, `hints` what to type."""

    def __init__(self, message: str, *hints: Hint, billed: bool = False) -> None:
        super().__init__(message, billed=billed)
        self.hints = hints


class ContextOverflow(ModelFault):
    """The prompt is longer than the model's context; the transcript must be compacted."""

    def __init__(self, message: str, *, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        """The context window in tokens, if the server told it."""
