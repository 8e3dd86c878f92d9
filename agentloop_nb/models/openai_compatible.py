"""Any server that speaks OpenAI's chat completions, or offers a model by its Responses API alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.models import probe
from agentloop_nb.models.cells import CellForm
from agentloop_nb.models.client import credentials
from agentloop_nb.models.dialect import Rung, dialect_of
from agentloop_nb.models.exchange import Read
from agentloop_nb.models.prices import is_loopback
from agentloop_nb.models.responses import as_chunk
from agentloop_nb.models.size import is_small
from agentloop_nb.models.streamed_model import Form, StreamedModel
from agentloop_nb.protocols import ModelRequest

LOCAL, AFTER_CUT = 0.2, 0.8
"""Temperature of a local model, where nobody set one: a low one keeps small models to the point; after a reply that
ran on without end, or copied what had failed, a higher one leads out of it."""


@dataclass
class OpenAICompatible(StreamedModel):
    """A model behind chat completions."""

    _measured: bool = False
    _reports_progress: bool = False
    """The server tells how much of a prompt it has read."""
    _parameters: int | None = None
    """How large the model is, where the server told it."""

    @property
    def is_measured(self) -> bool:
        """Whether the server has told what it can, or is not asked."""
        return self._measured or IN_BROWSER or not (is_loopback(self.server.base_url) or self.context_window is None)

    def measure(self) -> None:
        """Ask the server for the window, once: where it is near, or where no list tells. Blocks for a few seconds."""
        if self.is_measured:
            return
        answers = probe.ask(self.server, self.key)
        self._measured, self._reports_progress = answers.reached, answers.llama_server
        self.window, self._parameters = answers.window or self.window, answers.parameters

    @property
    def is_small(self) -> bool:
        """Whether the model is a small one on this machine."""
        return self.local and is_small(self.server.model, self._parameters)

    @property
    def writes_cells(self) -> bool:
        """Whether the model is a small one behind llama.cpp's own server, which takes a grammar."""
        dropped = dialect_of(self.server.base_url, self.server.model).dropped
        return self.is_small and self._reports_progress and "grammar" not in dropped

    def _form(self, request: ModelRequest) -> Form:
        """Return what the server accepts; a format that it takes but does not follow is given up."""
        dialect = dialect_of(self.server.base_url, self.server.model)
        dialect.brief = self.is_small
        if request.repairs >= 2 and self._ignored >= 2:
            dialect.rung = Rung.PROMPTED
        return CellForm(dialect) if request.cells else dialect

    def _options(self, request: ModelRequest) -> dict[str, Any]:
        options: dict[str, Any] = {"model": self.server.model, **self.extra}
        if self._reports_progress:
            options["return_progress"] = True
        if self.temperature is not None:
            options["temperature"] = self.temperature
        elif self.local or self.pricing.free:
            options["temperature"] = AFTER_CUT if self._cut or request.copied else LOCAL
        return options

    def _way(self, body: dict[str, Any]) -> tuple[str, Read | None]:
        return ("/responses", as_chunk) if "input" in body else ("/chat/completions", None)

    def _credentials(self) -> dict[str, str]:
        return credentials(self.server, self.key)
