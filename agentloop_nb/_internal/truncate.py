"""What a record keeps of outputs: all, up to its limit; from there on the beginning of each. Decisions stay whole."""

from __future__ import annotations

import json
from typing import Any

BEGINNING = 2_000
"""Characters of one output that a full record keeps."""
SLACK = 100
"""Characters by which a text may be longer, so that one that was cut, and says so, is not cut again."""
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


def shown(result: Json) -> Json:
    """Return the parts of a result that grow with what code shows: its outputs, and its error in all places."""
    return {"outputs": result["outputs"], "error": result["error"], "told": result["metadata"].get("error")}


def cut(result: Json, longest: int) -> Json:
    """Return a result as JSON values whose outputs hold about `longest` characters; the metadata says what is missing.

    Of a text the beginning is kept; of pictures and other data nothing, since a part would be of no use.
    """
    kept, missing = cut_parts(result, longest, NOT_KEPT)
    return {**result, **kept, "metadata": {**kept["metadata"], MISSING: missing}} if missing else result


def cut_parts(result: Json, longest: int, where: str) -> tuple[Json, int]:
    """Return the `outputs`, `error` and `metadata` of a result after cutting, and how many characters were left out.

    `where` tells what became of the rest.
    """
    outputs = [_cut_output(output, longest, where) for output in result["outputs"]]
    error, missing = _cut_texts({"error": result["error"], "told": result["metadata"].get("error")}, longest, where)
    kept = {
        "outputs": [output for output, _ in outputs],
        "error": error["error"],
        "metadata": {**result["metadata"], **({"error": error["told"]} if error["told"] else {})},
    }
    return kept, missing + sum(left for _, left in outputs)


def _cut_texts(value: Any, longest: int, where: str) -> tuple[Any, int]:
    """Return a JSON value whose texts are cut; a list of texts counts as one."""
    if isinstance(value, str):
        return _cut_text(value, longest, where)
    if isinstance(value, list):
        text, missing = _cut_text("\n".join(map(str, value)), longest, where)
        return ([text] if missing else value), missing
    if isinstance(value, dict):
        found = {key: _cut_texts(each, longest, where) for key, each in value.items()}
        return {key: each for key, (each, _) in found.items()}, sum(missing for _, missing in found.values())
    return value, 0


def _cut_output(output: Json, longest: int, where: str) -> tuple[Json, int]:
    """Return an output, and how many characters of it were left out."""
    if isinstance(output.get("data"), dict):
        data, missing = _cut_bundle(output["data"], longest, where)
        return {**output, "data": data}, missing
    if output.get("output_type") == "stream":
        text, missing = _cut_text(str(output["text"]), longest, where)
        return {**output, "text": text}, missing
    return _cut_texts(output, longest, where) if output.get("output_type") == "error" else (output, 0)


def _cut_bundle(data: Json, longest: int, where: str) -> tuple[Json, int]:
    sizes = {mime: len(value if isinstance(value, str) else json.dumps(value)) for mime, value in data.items()}
    kept = {mime: value for mime, value in data.items() if sizes[mime] <= longest + SLACK}
    if len(kept) == len(data):
        return data, 0
    beginning = str(data.get("text/plain", ""))[:longest]
    missing = sum(sizes.values()) - sum(sizes[mime] for mime in kept if mime != "text/plain") - len(beginning)
    return kept | {"text/plain": f"{beginning}\n{_told(missing, where)}".lstrip("\n")}, missing


def _cut_text(text: str, longest: int, where: str) -> tuple[str, int]:
    missing = len(text) - longest
    return (text, 0) if missing <= SLACK else (f"{text[:longest]}\n{_told(missing, where)}", missing)


def _told(missing: int, where: str) -> str:
    return f"[… {missing:,} more characters {where} …]"
