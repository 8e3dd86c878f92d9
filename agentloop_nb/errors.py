"""Three families of errors: told to the user, told to the model, and faults of a model server."""

from __future__ import annotations


class UserError(Exception):
    """The user's next step is clear: one line, says what to type; shown without a traceback."""

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
    """Trying again cannot help: wrong key, unknown model, no credit. The message says what to do."""


class ContextOverflow(ModelFault):
    """The prompt is longer than the model's context; the transcript must be compacted."""

    def __init__(self, message: str, *, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        """The context window in tokens, if the server told it."""
