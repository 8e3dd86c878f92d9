"""Outputs with the fields of nbformat and no others."""

from __future__ import annotations

from typing import Any

from agentloop_nb._internal.markup import WIDGET_VIEW
from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.protocols import Output

Json = dict[str, Any]


def fit_output(output: Output, scrub: Anonymizer) -> Json | None:
    """Return an output with the fields of nbformat and no others."""
    kind = output.get("output_type")
    if kind == "stream":
        text = scrub.text(_text(output.get("text")))
        return {"output_type": kind, "name": output.get("name", "stdout"), "text": text}
    if kind == "error":
        told = {key: scrub.text(_text(output.get(key))) for key in ("ename", "evalue")}
        traceback = [scrub.text(str(line)) for line in output.get("traceback", ())]
        return {"output_type": kind, **told, "traceback": traceback}
    if kind in ("display_data", "execute_result"):
        data = {mime: _data(mime, value, scrub) for mime, value in output.get("data", {}).items()}
        made = {"output_type": kind, "data": data, "metadata": dict(output.get("metadata") or {})}
        data.pop(WIDGET_VIEW, None)
        return (made | ({"execution_count": None} if kind == "execute_result" else {})) if data else None
    return None


def _data(mime: str, value: Any, scrub: Anonymizer) -> Any:
    if mime.startswith("image/") and mime != "image/svg+xml":
        return value
    return scrub.value(_text(value) if isinstance(value, list) and not mime.endswith("json") else value)


def _text(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
