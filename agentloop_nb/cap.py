"""What a record keeps of outputs: all, up to its limit; from there on the beginning of each. Decisions stay whole."""

from __future__ import annotations

import json
from typing import Any

BEGINNING = 2_000
"""Characters of one output that a full record keeps."""
NOT_KEPT = "were not kept"
MISSING = "not_kept"
"""Key in a result's metadata: how many characters of its outputs the record does not hold."""

Json = dict[str, Any]


def weight(value: Any) -> int:
    """Characters of all the texts in a JSON value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(weight, value))
    if isinstance(value, dict):
        return sum(map(weight, value.values()))
    return 0


def cut(result: Json, longest: int) -> Json:
    """A result as JSON values whose outputs hold at most `longest` characters each; the metadata says what is missing.

    Of a text the beginning is kept; of pictures and other data nothing, since a part would be of no use.
    """
    outputs = [_cut_output(output, longest, NOT_KEPT) for output in result["outputs"]]
    missing = sum(left for _, left in outputs)
    if not missing:
        return result
    metadata = {**result["metadata"], MISSING: missing}
    return {**result, "outputs": [output for output, _ in outputs], "metadata": metadata}


def cut_outputs(outputs: list[Json], longest: int, where: str) -> list[Json]:
    """Outputs that hold at most `longest` characters each; `where` tells what became of the rest."""
    return [_cut_output(output, longest, where)[0] for output in outputs]


def _cut_output(output: Json, longest: int, where: str) -> tuple[Json, int]:
    """An output, and how many characters of it were left out."""
    if isinstance(output.get("data"), dict):
        data, missing = _cut_bundle(output["data"], longest, where)
        return {**output, "data": data}, missing
    if output.get("output_type") == "stream":
        text, missing = _cut_text(str(output["text"]), longest, where)
        return {**output, "text": text}, missing
    return output, 0


def _cut_bundle(data: Json, longest: int, where: str) -> tuple[Json, int]:
    sizes = {mime: len(value if isinstance(value, str) else json.dumps(value)) for mime, value in data.items()}
    kept = {mime: value for mime, value in data.items() if sizes[mime] <= longest}
    if len(kept) == len(data):
        return data, 0
    beginning = str(data.get("text/plain", ""))[:longest]
    missing = sum(sizes.values()) - sum(sizes[mime] for mime in kept if mime != "text/plain") - len(beginning)
    return kept | {"text/plain": f"{beginning}\n{_told(missing, where)}".lstrip("\n")}, missing


def _cut_text(text: str, longest: int, where: str) -> tuple[str, int]:
    missing = len(text) - longest
    return (text, 0) if missing <= 0 else (f"{text[:longest]}\n{_told(missing, where)}", missing)


def _told(missing: int, where: str) -> str:
    return f"[… {missing:,} more characters {where} …]"
