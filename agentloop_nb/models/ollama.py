"""Ollama, which cuts a prompt that is too long without a word: its window is asked for, and kept to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agentloop_nb.errors import ContextOverflow, ModelFault
from agentloop_nb.models.exchange import get_json
from agentloop_nb.models.openai_compatible import OpenAICompatible
from agentloop_nb.models.probe import loaded_by_ollama
from agentloop_nb.models.usage import prompt_tokens
from agentloop_nb.protocols import Delta, ModelReply, ModelRequest

CERTAIN = 1.5
"""How many times a window an estimated prompt must be to be too long for certain: estimates are off by less."""

LISTING = 5.0
"""Seconds to wait for the list of loaded models."""


@dataclass
class Ollama(OpenAICompatible):
    """A model on an Ollama server, over its OpenAI-compatible wire."""

    _loaded: bool = False
    """The window is that of the loaded model, or nothing more is to be learned."""

    async def reply(self, request: ModelRequest, on_delta: Callable[[Delta], None]) -> ModelReply:
        """Answer as any server, but refuse a prompt that would be cut. Raises a `ModelFault`."""
        if self.window is not None and prompt_tokens(request.messages) > CERTAIN * self.window:
            raise ContextOverflow(
                f"{self.server.host}: the prompt is too long, Ollama reads only {self.window} tokens of it; give it "
                "more: OLLAMA_CONTEXT_LENGTH=32768 ollama serve",
                limit=self.window,
            )
        reply = await super().reply(request, on_delta)
        if not self._loaded:
            loaded = await self._loaded_window()
            self._loaded = self.window is not None or loaded is not None
            self.window = loaded or self.window
        return reply

    async def _loaded_window(self) -> int | None:
        """Return the window that the model was loaded with, which is seldom all it could have."""
        address = self.server.base_url.removesuffix("/v1") + "/api/ps"
        try:
            answer = await get_json(self._connected(), self.server, address, LISTING)
        except ModelFault:  # an older server, or another one behind Ollama's name
            return None
        return loaded_by_ollama(answer, self.server.model)
