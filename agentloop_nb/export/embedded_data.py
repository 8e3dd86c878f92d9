"""Values from before the run that travel as data: a literal in the notebook, or a small file beside it.

Only exact types are taken, in formats that hold no code, and only if reading them back gives the same value: then
the notebook needs the cells that made them no more.
"""

from __future__ import annotations

import builtins
import cmath
import datetime as dt
import decimal
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.inputs import InputFile
from agentloop_nb.export.table_csv import is_same, table_as_csv
from agentloop_nb.export.tagged import DECODER, TABLE, NoData, encoded, table_parts
from agentloop_nb.safety.secrets import known_secrets, secrets_in

MAX_LITERAL = 500
"""Characters of a value that is written into the notebook itself."""
MAX_BYTES = 5_000_000
"""Bytes of one file."""

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_TIMES = (dt.date, dt.datetime, dt.time, dt.timedelta)
_NUMBERS = "biufcmM"
"""Kinds of numpy arrays that hold numbers or times, and nothing else."""
_ENDLESS = re.compile(r"\b(?:nan|inf)\b|Decimal\('-?s?(?:NaN|Infinity)")
"""Numbers whose repr does not make them again."""


class Data(NamedTuple):
    """Values as data: the cell that makes them again, and the files it reads."""

    source: str
    files: dict[str, bytes]
    """Path beside the notebook -> content."""
    made: frozenset[str] = frozenset()
    """Files that the cell makes, in the folder of the notebook."""

    @property
    def inputs(self) -> list[InputFile]:
        """The files as inputs of the notebook."""
        return [
            InputFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
            for path, content in self.files.items()
        ]


class _Made(NamedTuple):
    """How one value is made again."""

    expression: str
    """`PATH` in it stands for the path of its file."""
    modules: frozenset[str] = frozenset()
    suffix: str = ""
    """Of its file; empty for a literal."""
    content: bytes = b""

    @property
    def digest(self) -> str:
        """A name for the content, so that no other file is ever in its place."""
        return hashlib.sha256(self.content).hexdigest()


PATH = "\x00"
"""Stands for the path of a file; no repr holds this character."""
_IMPORTS = {"np": "import numpy as np", "pd": "import pandas as pd", "Decimal": "from decimal import Decimal"}


def hold(values: Mapping[str, Any], folder: str, scrub: Anonymizer) -> Data | None:
    """Make data of those values that can travel; their files lie in `folder` beside the notebook.

    A value with something private in it (see `Anonymizer`) stays where it is.
    """
    found = {name: made for name, value in sorted(values.items()) if (made := _made(name, value, scrub))}
    if not found:
        return None
    modules = sorted(frozenset().union(*(made.modules for made in found.values())))
    lines = ["# Values from before the run, as they were when this notebook was exported."]
    lines += [_IMPORTS.get(module, f"import {module}") for module in modules]
    paths = {name: f"{folder}/{name}-{made.digest[:8]}{made.suffix}" for name, made in found.items()}
    helpers = {"_value": DECODER, "_table": TABLE}
    used = [source for name, source in helpers.items() if any(f"{name}(" in made.expression for made in found.values())]
    lines += [f"\n\n{source}\n\n" for source in used]
    lines += [f"{name} = {made.expression.replace(PATH, repr(paths[name]))}" for name, made in found.items()]
    files = {paths[name]: made.content for name, made in found.items() if made.suffix}
    return Data("\n".join(lines), files)


def _made(name: str, value: Any, scrub: Anonymizer) -> _Made | None:
    for way in (_literal, _json, _array, _table, _tagged):
        try:
            made = way(value)
            if made:
                return made if _fit_to_leave(name, value, made, scrub) else None
        except Exception:  # noqa: BLE001, S112 - what a value of the user's own library does; it then stays
            continue
    return None


def _fit_to_leave(name: str, value: Any, made: _Made, scrub: Anonymizer) -> bool:
    """Whether neither the file nor the expression holds a secret, a path or a name of the user's."""
    text = str(value.tolist()) if made.suffix == ".npy" else made.content.decode()
    named = [] if made.suffix == ".npy" else _names(value)
    return (
        len(made.content) <= MAX_BYTES
        and all(scrub.text(each) == each and not secrets_in("", each) for each in (made.expression, text))
        and not known_secrets({}, {}, (), {name: value})
        and not any(secrets_in(each, "a value") for each in named)
    )


def _names(value: Any) -> Iterator[str]:
    """Yield what a value calls its parts: keys of dictionaries, columns of tables."""
    if isinstance(value, dict):
        yield from (key for key in value if isinstance(key, str))
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item)
    else:
        yield from map(str, getattr(value, "columns", ()))


def _tagged(value: Any) -> _Made | None:
    """Return what no other way brings: nested values of many types, and tables with such cells or labels."""
    pd = sys.modules.get("pandas")
    is_table = pd is not None and type(value) in (pd.DataFrame, pd.Series)
    if is_table and value.size > MAX_BYTES // 10:
        return None
    try:
        text = json.dumps(encoded(table_parts(value) if is_table else value), ensure_ascii=False)
    except NoData:
        return None
    expression = f"_value(json.load(open({PATH}, encoding='utf-8')))"
    expression = f"_table({expression})" if is_table else expression
    modules = {"builtins", "datetime", "decimal", "json"} | {
        name
        for name, sign in (("np", '["numpy"'), ("pd", '["Timestamp"'), ("pd", '["Na'), ("pd", '["NA'))
        if sign in text
    }
    modules |= {"pd"} if is_table else set()
    found = _again(text, is_table=is_table)
    alike = _is_same_table(found, value) if is_table else _exact(found) == _exact(value)
    return _Made(expression, frozenset(modules), ".json", text.encode()) if alike else None


def _is_same_table(found: Any, value: Any) -> bool:
    import pandas as pd

    check = pd.testing.assert_frame_equal if value.ndim == 2 else pd.testing.assert_series_equal
    return is_same(check, found, value) and _cell_types(found) == _cell_types(value)


def _again(text: str, *, is_table: bool) -> Any:
    """Make a value again with the very source that the notebook will hold."""
    names: dict[str, Any] = {"builtins": builtins, "datetime": dt, "decimal": decimal}
    names |= {"np": sys.modules.get("numpy"), "pd": sys.modules.get("pandas")}
    exec(f"{DECODER}\n\n{TABLE}", names)  # noqa: S102 - our own source
    value = names["_value"](json.loads(text))
    return names["_table"](value) if is_table else value


def _cell_types(table: Any) -> list[Any]:
    columns = [table] if table.ndim == 1 else [table.iloc[:, number] for number in range(table.shape[1])]
    return [[type(cell) for cell in column.tolist()] for column in columns]


# -- values without a file


def _literal(value: Any) -> _Made | None:
    """Python's own values, and numpy's single numbers, by their repr."""
    np = sys.modules.get("numpy")
    if np is not None and isinstance(value, np.generic):
        kind = type(value).__name__
        if value.dtype.kind not in "biufc" or getattr(np, kind, None) is not type(value):
            return None
        item = value.item()
        return _Made(f"np.{kind}({item!r})", frozenset({"np"})) if cmath.isfinite(item) else None
    if not _is_literal(value):
        return None
    text = repr(value)
    modules = frozenset(module for module in ("datetime", "Decimal") if module in text)
    return _Made(text, modules) if len(text) <= MAX_LITERAL and not _ENDLESS.search(text) else None


def _is_literal(value: Any, depth: int = 0) -> bool:
    """Whether a value is of exact types whose repr makes it again."""
    kind = type(value)
    if kind in _PLAIN or kind is Decimal:
        return True
    if kind in _TIMES:
        return getattr(value, "tzinfo", None) is None
    if depth > 20 or kind not in (list, tuple, dict, set, frozenset) or len(value) > MAX_LITERAL:
        return False
    items = [*value, *value.values()] if kind is dict else value
    return all(_is_literal(item, depth + 1) for item in items)


# -- values in a file


def _json(value: Any) -> _Made | None:
    if type(value) not in (list, dict, str):
        return None
    text = json.dumps(value, ensure_ascii=False)
    if _exact(json.loads(text)) != _exact(value):
        return None
    return _Made(f"json.load(open({PATH}, encoding='utf-8'))", frozenset({"json"}), ".json", text.encode())


def _exact(value: Any) -> Any:
    """Return a value with its types beside it: `1`, `1.0` and `True` are equal, and not the same."""
    kind = type(value)
    if kind is dict:
        return kind, [(_exact(key), _exact(item)) for key, item in value.items()]
    if kind in (list, tuple):
        return kind, [_exact(item) for item in value]
    if kind in (set, frozenset):
        return kind, sorted(map(repr, map(_exact, value)))
    return kind, repr(value)


def _array(value: Any) -> _Made | None:
    np = sys.modules.get("numpy")
    if np is None or type(value) is not np.ndarray or value.dtype.kind not in _NUMBERS or value.nbytes > MAX_BYTES:
        return None
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return _Made(f"np.load({PATH})", frozenset({"np"}), ".npy", file.getvalue())


def _table(value: Any) -> _Made | None:
    """Return a table or a column of pandas as CSV."""
    pd = sys.modules.get("pandas")
    if pd is None or type(value) not in (pd.DataFrame, pd.Series) or value.size > MAX_BYTES:
        return None
    plain_name = type(value) is pd.DataFrame or (isinstance(value.name, str) and value.name)
    if not plain_name and not _is_literal(value.name):
        return None
    found = table_as_csv(value, PATH)
    return _Made(found[0], frozenset({"pd"}), ".csv", found[1]) if found else None
