"""State of the process that steps change beside variables: random states, options, the environment, patched modules."""

from __future__ import annotations

import ast
import contextlib
import operator
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentloop_nb._internal import environment
from agentloop_nb.notebook.snapshots import loggers, process_state, python_options
from agentloop_nb.notebook.snapshots.patches import Patches

MISSING = object()
"""Stands for a setting that is not there."""
Settings = dict[Any, Any]
FOR_GOOD = "a hard limit that was lowered cannot be raised again here"


@dataclass(frozen=True)
class Source:
    """One kind of settings. `read` returns them by key; `write` sets one, or removes it where it is `MISSING`."""

    label: str
    """What a person calls one of them; `{}` stands for its key."""
    read: Callable[[], Settings]
    write: Callable[[Any, Any], None]
    stays: Callable[[Any, Any], bool] = lambda _before, _after: False
    """Whether a change is none that anybody would take back."""
    is_for_good: Callable[[Any, Any], bool] = lambda _before, _after: False
    """Whether a change cannot be taken back."""


@dataclass
class Moved:
    """A setting that a step changed."""

    source: Source
    key: Any
    before: Any
    after: Any

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.source.label.format(self.key)

    @property
    def stays(self) -> bool:
        """Whether nobody would take it back."""
        return self.source.stays(self.before, self.after)

    @property
    def is_for_good(self) -> bool:
        """Whether it cannot be taken back."""
        return self.source.is_for_good(self.before, self.after)

    def is_newer(self) -> bool:
        """Whether somebody else has changed it since."""
        now = self.source.read().get(self.key, MISSING)
        return not _equal(now, self.after) and not _equal(now, self.before)

    def put_back(self) -> bool:
        """Give it its former value; False when it refuses."""
        try:
            self.source.write(self.key, self.before)
            return _equal(self.source.read().get(self.key, MISSING), self.before)
        except Exception:
            return False


@dataclass
class Remembered:
    """The settings as they were before a step."""

    patched: Source
    values: list[tuple[Source, Settings]] = field(default_factory=list)

    @classmethod
    def now(cls, tree: ast.Module | None, namespace: Mapping[str, Any], folder: Path) -> Remembered:
        """Read all settings; `tree` is the code of the step, whose modules may be patched by it."""
        patched = Source("{0[1]} of {0[0]}", Patches(tree, namespace).read, _patch)
        made = cls(patched)
        made.values = [(each, _read(each)) for each in (*SOURCES, _modules(folder), patched)]
        return made

    def moved(self) -> list[Moved]:
        """Return what is no longer as it was."""
        found = (
            Moved(source, key, before.get(key, MISSING), now.get(key, MISSING))
            for source, before in self.values
            for now in [_read(source)]
            if not _is_same(before, now)
            for key in {**before, **now}
            if now.get(key, MISSING) is not before.get(key, MISSING)
            and not _equal(now.get(key, MISSING), before.get(key, MISSING))
        )
        return [each for each in found if not each.stays]


def _is_same(before: Settings, now: Settings) -> bool:
    """Whether all settings of a kind are the very objects that they were, in their order."""
    same = len(before) == len(now) and all(map(operator.is_, before.values(), now.values()))
    return same and all(map(operator.is_, before, now))


def _read(source: Source) -> Settings:
    try:
        return source.read()
    except Exception:  # a library of another version
        return {}


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:
        return False


def put_back(moved: Iterable[Moved]) -> tuple[list[str], dict[str, str]]:
    """Put settings back, and return the names of those that were, and why others were not."""
    done, left = [], {}
    for each in moved:
        if each.is_newer():
            left[each.name] = "you have changed it since, and that stays"
        elif each.put_back():
            done.append(each.name)
        else:
            left[each.name] = FOR_GOOD if each.is_for_good else "it refused its former value"
    return done, left


# -- one kind after another


def _library(name: str) -> Any:
    return sys.modules.get(name)


def _numpy_state() -> Settings:
    numpy = _library("numpy.random")
    return {"state": tuple(map(_frozen, numpy.get_state()))} if numpy else {}


def _frozen(part: Any) -> Any:
    return part.tobytes() if hasattr(part, "tobytes") else part


def _set_numpy_state(_key: Any, state: Any) -> None:
    numpy = sys.modules["numpy"]
    if state is MISSING:
        numpy.random.seed()
    else:
        numpy.random.set_state((state[0], numpy.frombuffer(state[1], dtype=numpy.uint32), *state[2:]))


def _mapping(get: Callable[[], Any], skip: frozenset[str] = frozenset()) -> Callable[[], Settings]:
    def read() -> Settings:
        found = get()
        return {} if found is None else {key: value for key, value in dict.items(found) if key not in skip}

    return read


def _parameters() -> Any:
    matplotlib = _library("matplotlib")
    return getattr(matplotlib, "rcParams", None)


def _set_parameter(key: str, value: Any) -> None:
    defaults = sys.modules["matplotlib"].rcParamsOrig
    dict.__setitem__(_parameters(), key, dict.__getitem__(defaults, key) if value is MISSING else value)


def _pandas_options() -> Settings:
    config = _library("pandas._config.config")
    return dict(_flat(config.options.d)) if config else {}


def _flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _set_pandas_option(key: str, value: Any) -> None:
    pandas = sys.modules["pandas"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if value is MISSING:
            pandas.reset_option(key)
        else:
            pandas.set_option(key, value)


def _print_options() -> Settings:
    numpy = _library("numpy")
    return (
        {**numpy.get_printoptions(), **{f"error: {key}": how for key, how in numpy.geterr().items()}} if numpy else {}
    )


def _set_print_option(key: str, value: Any) -> None:
    numpy = sys.modules["numpy"]
    if value is MISSING:
        return
    if key.startswith("error: "):
        numpy.seterr(**{key.removeprefix("error: "): value})
    else:
        numpy.set_printoptions(**{key: value})


def _decimal_context() -> Settings:
    decimal = _library("decimal")
    context = decimal.getcontext() if decimal else None
    return (
        {name: getattr(context, name) for name in ("prec", "rounding", "Emin", "Emax", "capitals")} if context else {}
    )


def _set_decimal(key: str, value: Any) -> None:
    decimal = sys.modules["decimal"]
    setattr(decimal.getcontext(), key, getattr(decimal.DefaultContext, key) if value is MISSING else value)


def _set_variable(key: str, value: Any) -> None:
    if value is MISSING:
        os.environ.pop(key, None)
    else:
        os.environ[key] = value


def _set_path(_key: str, value: Any) -> None:
    sys.path[:] = value


def _set_filters(_key: str, value: Any) -> None:
    warnings.resetwarnings()  # tells the cached copies that they are old
    filters: Any = warnings.filters
    filters[:] = value


def _set_folder(_key: str, value: Any) -> None:
    os.chdir(value)


def _folder() -> Settings:
    with contextlib.suppress(OSError):
        return {"cwd": str(Path.cwd())}
    return {}


def _set_logger(name: str, value: Any) -> None:
    loggers.write(name, None if value is MISSING else value)


def _dialects() -> Settings:
    csv = _library("csv")
    return {name: csv.get_dialect(name) for name in csv.list_dialects()} if csv else {}


def _set_dialect(name: str, value: Any) -> None:
    csv = sys.modules["csv"]
    if value is MISSING:
        csv.unregister_dialect(name)
    else:
        csv.register_dialect(name, value)


def _set_module(name: str, value: Any) -> None:
    process_state.set_module(name, None if value is MISSING else value)


def _modules(folder: Path) -> Source:
    """Modules that are loaded: what a step imports stays, but for what lies in its folder or was made by hand."""

    def is_an_import(before: Any, after: Any) -> bool:
        return before is MISSING and process_state.is_a_library(after, folder)

    return Source("the loaded module {}", process_state.modules, _set_module, stays=is_an_import)


SOURCES = (
    Source("the state of random", lambda: {"state": random.getstate()}, lambda _key, state: random.setstate(state)),
    Source("the state of numpy.random", _numpy_state, _set_numpy_state),
    Source("sys.path", lambda: {"path": list(sys.path)}, _set_path),
    Source("the environment variable {}", lambda: dict(environment.variables()), _set_variable),
    Source("the working folder", _folder, _set_folder),
    Source("matplotlib's {}", _mapping(_parameters, frozenset({"backend", "backend_fallback"})), _set_parameter),
    Source("the pandas option {}", _pandas_options, _set_pandas_option),
    Source("numpy's {}", _print_options, _set_print_option),
    Source("decimal's {}", _decimal_context, _set_decimal),
    Source("the warning filters", lambda: {"filters": list(warnings.filters)}, _set_filters),
    Source("{}", python_options.read, python_options.write),
    Source("the logger {}", loggers.read, _set_logger),
    Source("the CSV dialect {}", _dialects, _set_dialect),
    Source("the {}", process_state.umask, process_state.set_umask),
    Source("the limit {}", process_state.limits, process_state.set_limit, is_for_good=process_state.is_for_good),
    Source("the {} of MIME types", process_state.mime_types, process_state.set_mime_types),
)


def _patch(key: Any, value: Any) -> None:
    if value is MISSING:
        delattr(key.owner, key.name)
    else:
        setattr(key.owner, key.name, value.value)
