"""The base of the values that cross a seam, and the words for outputs and privacy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Output = dict[str, Any]
"""One output of a cell, as nbformat 4 writes it: `output_type` is stream, display_data, execute_result or error."""

OnOutput = Callable[[Output], None]
"""Told each output as it appears. A stream output carries only the new text; `update_display_data` may appear too."""

Privacy = Literal["full", "schema", "none"]
"""What a model may see of the user's data: all; names, types, shapes and columns but no value; names only."""


class Value(BaseModel):
    """A frozen value that crosses a seam or lies in the record; fields of newer versions are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")
