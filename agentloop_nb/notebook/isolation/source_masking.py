"""Masks secrets where the code of an isolated run runs: the process that asked knows its own alone."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from agentloop_nb.protocols import Output
from agentloop_nb.safety.secrets import Tail, known_secrets


class SourceMasking:
    """Masks what is told of one namespace."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._masker = known_secrets(os.environ, {}, (), namespace)
        self._tails: dict[str, Tail] = {}
        """Ends of texts that stream in, by their source."""
        self._look_again = 0.0
        """On time.monotonic(); so that looking for secrets takes a tenth of the time at most."""

    def begin(self, code: str) -> None:
        """Expect what the code of a step says that it brings up."""
        self._tails.clear()
        self._look_again = 0.0
        self._masker.expect([code])

    def appeared(self, output: Output) -> Output | None:
        """Return an output as it may be shown while the step runs; None while nothing of it is clear."""
        if time.monotonic() > self._look_again:
            began = time.monotonic()
            self._masker.look()
            self._look_again = time.monotonic() + 10 * (time.monotonic() - began)
        match output:
            case {"output_type": "stream", "name": name, "text": text}:
                clear = self._tails.setdefault(str(name), Tail(self._masker)).feed(str(text))
                return output | {"text": clear} if clear else None
            case _:
                return dict(self._masker.mask_value(output))

    def whole(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """Return what a step brought, as it may be told."""
        self._masker.look()
        return dict(self._masker.mask_value(outcome)) if self._masker else outcome

    def text(self, description: str) -> str:
        """Return what is told of the namespace, as it may be told."""
        self._masker.look()
        return self._masker.mask(description)
