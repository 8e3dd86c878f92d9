"""Short previews of values for a model, which neither crash nor hang on hostile ones."""

from __future__ import annotations

import inspect
import reprlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentloop_nb._internal.platform import IN_BROWSER
from agentloop_nb.notebook.kernel.interrupter import raise_in

PATIENCE = 0.2
"""Seconds one preview may take."""
MAX_TEXT = 240
MAX_COLUMNS = 30
MAX_TABLE = 600
_FOR_MODELS = ("text/llm+plain", "text/llm")


class _TooSlow(BaseException):
    """Cuts a preview short; no `Exception`, so that the value's own code does not handle it."""


def text(value: Any) -> str:
    """` = [1, 2, ...]`, or an indented block; empty where the value has nothing to say, or fails."""
    told = _guarded(_own_words, value) or _guarded(_table, value)
    if told:
        return "\n" + "\n".join(f"    {line}" for line in _cut(told, MAX_TABLE).splitlines())
    plain = " ".join((_guarded(_short, value) or "").split())
    return f" = {_cut(plain, MAX_TEXT)}" if plain else ""


def columns(value: Any) -> str:
    """`; columns: month (str), amount (int64)` of a table."""
    return _guarded(_columns, value) or ""


def signature(name: str, value: Any) -> str:
    """`clean(df, drop=True): first line of its docstring`."""
    kind = "class " if isinstance(value, type) else ""
    arguments = _guarded(lambda each: str(inspect.signature(each)), value) or "(…)"
    doc = _guarded(lambda each: (each.__doc__ or "").strip().partition("\n")[0], value) or ""
    return f"{kind}{name}{_cut(arguments, 120)}" + (f": {_cut(doc, 120)}" if doc else "")


def _guarded(tell: Any, value: Any) -> str | None:
    try:
        with _limited(PATIENCE):
            told = tell(value)
            return told if isinstance(told, str) else None
    except (Exception, _TooSlow):  # noqa: BLE001
        return None


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise `_TooSlow` in this thread once the time is over. A call into native code is waited for."""
    if IN_BROWSER:
        yield
        return
    thread, lock, over = threading.current_thread(), threading.Lock(), False

    def strike() -> None:
        with lock:
            if not over:
                raise_in(thread, _TooSlow)

    timer = threading.Timer(seconds, strike)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            over = True
        raise_in(thread, None)


# -- what a value says of itself


def _own_words(value: Any) -> str | None:
    """A representation made for models: `_repr_llm_`, `_ai_repr_`, or a `text/llm` of the mime bundle."""
    cls = type(value)
    if hasattr(cls, "_repr_llm_"):
        return _as_text(value._repr_llm_())
    if hasattr(cls, "_ai_repr_"):
        return _as_text(value._ai_repr_())
    if hasattr(cls, "_repr_mimebundle_") and cls.__module__ == "__main__":
        return _as_text(value._repr_mimebundle_(include=set(_FOR_MODELS)))
    return None


def _as_text(told: Any) -> str | None:
    if isinstance(told, str):
        return told
    bundle = told[0] if isinstance(told, tuple) and told else told
    if isinstance(bundle, dict):
        return next((str(bundle[mime]) for mime in (*_FOR_MODELS, "text/plain") if mime in bundle), None)
    if inspect.iscoroutine(bundle):
        bundle.close()
    return None


def _table(value: Any) -> str | None:
    cls = type(value)
    if cls.__name__ == "DataFrame" and hasattr(cls, "to_string"):
        return str(value.head(2).to_string(max_cols=10, max_colwidth=24, index=False))
    return None


def _columns(value: Any) -> str | None:
    cls = type(value)
    if cls.__name__ != "DataFrame" or not hasattr(cls, "columns"):
        return None
    names = list(value.columns)
    told = [f"{name} ({dtype})" for name, dtype in zip(names[:MAX_COLUMNS], list(value.dtypes), strict=False)]
    more = f", … {len(names) - MAX_COLUMNS} more" if len(names) > MAX_COLUMNS else ""
    return f"; columns: {', '.join(told)}{more}"


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = MAX_TEXT
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = self.maxarray = 5
        self.maxlevel = 3

    def repr_instance(self, x: Any, level: int) -> str:
        """An array, a model, a user's object: its own repr, if it has a meaning beyond its address."""
        if "__repr__" not in {name for base in type(x).__mro__[:-1] for name in vars(base)}:
            return f"<{type(x).__name__}>" if level < self.maxlevel else ""
        return _cut(repr(x), MAX_TEXT)


_short = _Short().repr


def _cut(told: str, limit: int) -> str:
    return told if len(told) <= limit else told[: limit - 1] + "…"
