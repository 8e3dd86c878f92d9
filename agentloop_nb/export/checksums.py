"""The seal of a certified notebook: a hash of each cell and of our metadata, so that a later change is noticed.

It shows accidents and edits. It is no signature: who wants to deceive can make a new one, and `verify` runs the
notebook in any case.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

Json = dict[str, Any]


def seal(notebook: Json) -> None:
    """Write the seal into a notebook's metadata, over everything that is certified."""
    ours = notebook["metadata"]["agentloop"]
    cells = [[cell["id"], _of_cell(cell)] for cell in notebook["cells"]]
    ours["seal"] = {"cells": cells, "metadata": _of_metadata(ours)}


def broken(notebook: Json) -> str | None:
    """Say what was changed since the notebook was sealed, or None. One that was never verified has no seal to break."""
    ours = notebook["metadata"]["agentloop"]
    kept = ours.get("seal")
    if kept is None:
        return "the seal" if "verdict" in ours else None
    if not isinstance(kept, dict) or not isinstance(kept.get("cells"), list):
        return "the seal"
    sealed = {str(name): digest for name, digest in kept["cells"]}
    cells = [[cell["id"], _of_cell(cell)] for cell in notebook["cells"]]
    for name, digest in cells:
        if sealed.get(name) != digest:
            return f"cell {name}"
    if cells != kept["cells"]:
        return "the order or number of the cells"
    return None if kept.get("metadata") == _of_metadata(ours) else "the metadata"


def _of_cell(cell: Json) -> str:
    outputs = [
        {key: value for key, value in out.items() if key != "execution_count"} for out in cell.get("outputs", ())
    ]
    metadata = cell.get("metadata", {})
    kept = {"tags": metadata.get("tags", []), "agentloop": metadata.get("agentloop", {})}
    return _digest([cell["cell_type"], cell["id"], cell["source"], outputs, kept])


def _of_metadata(ours: Json) -> str:
    return _digest({key: value for key, value in ours.items() if key != "seal"})


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
