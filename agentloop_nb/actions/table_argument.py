"""A table as an argument of a user's function: the name of a variable, or a file of a kind that its suffix says."""

from __future__ import annotations

import ast
import functools
import operator
import types
import typing
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from agentloop_nb.actions.own_names import is_parameter_name

_PANDAS = {
    ".csv": "read_csv",
    ".tsv": "read_table",
    ".parquet": "read_parquet",
    ".json": "read_json",
    ".xlsx": "read_excel",
}
_POLARS = {".csv": "read_csv", ".parquet": "read_parquet", ".json": "read_json", ".xlsx": "read_excel"}
_LAZY = {".csv": "scan_csv", ".parquet": "scan_parquet"}


class TableArgument(str):
    """What stands for a table in a decision and in a record. In code it is the variable, or the call that reads it."""

    kind: ClassVar[str] = "table"
    library: ClassVar[str] = ""
    readers: ClassVar[Mapping[str, str]] = {}
    """The function that reads a file, by its suffix; empty where only a variable can be meant."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(cls.checked, core_schema.str_schema())

    @classmethod
    def checked(cls, text: str) -> TableArgument:
        """Return it if it names a variable or a file. Raises `ValueError`."""
        text = text.strip()
        if is_parameter_name(text) or cls.reader_of(text):
            return cls(text)
        files = f" or a file with the suffix {', '.join(cls.readers)}" if cls.readers else ""
        raise ValueError(f"{text[:60]!r} is not the name of a variable{files}")

    @classmethod
    def told(cls) -> str:
        """Tell a model of it."""
        files = f", or a file: {', '.join(cls.readers)}" if cls.readers else ""
        return f"name of a variable that is a {cls.kind}{files}"

    @classmethod
    def reader_of(cls, text: str) -> str:
        """Name the function that reads a file; empty where it is none of this kind."""
        path = PurePath(text)
        return "" if "://" in text or not path.stem else cls.readers.get(path.suffix.lower(), "")

    @property
    def is_file(self) -> bool:
        """Whether it is a file, not a variable."""
        return not is_parameter_name(self)

    @property
    def source(self) -> str:
        """The expression that is the table."""
        return f"__import__({self.library!r}).{self.reader_of(self)}({str(self)!r})" if self.is_file else str(self)

    def fits(self, value: Any) -> bool:
        """Whether a value is of this kind."""
        return _kind_of(type(value)) is type(self)

    def among(self, namespace: Mapping[str, Any]) -> Any:
        """Return the table itself, as the source would."""
        return eval(self.source, {}, {} if self.is_file else {self: namespace[self]})  # noqa: S307 - a name, or one call of a reader


class PandasFrame(TableArgument):
    """A DataFrame of pandas."""

    kind, library, readers = "pandas DataFrame", "pandas", _PANDAS


class PandasSeries(TableArgument):
    """A Series of pandas."""

    kind = "pandas Series"


class PolarsFrame(TableArgument):
    """A DataFrame of polars."""

    kind, library, readers = "polars DataFrame", "polars", _POLARS


class PolarsLazy(TableArgument):
    """A LazyFrame of polars."""

    kind, library, readers = "polars LazyFrame", "polars", _LAZY


class PolarsSeries(TableArgument):
    """A Series of polars."""

    kind = "polars Series"


class NumpyArray(TableArgument):
    """An array of NumPy."""

    kind = "NumPy array"


_KINDS: dict[tuple[str, str], type[TableArgument]] = {
    ("pandas", "DataFrame"): PandasFrame,
    ("pandas", "Series"): PandasSeries,
    ("polars", "DataFrame"): PolarsFrame,
    ("polars", "LazyFrame"): PolarsLazy,
    ("polars", "Series"): PolarsSeries,
    ("numpy", "ndarray"): NumpyArray,
}
LIBRARIES = tuple(dict.fromkeys(library for library, _ in _KINDS))
"""Modules whose tables can be arguments."""


def table_module(library: str) -> types.SimpleNamespace:
    """Return what stands for such a module where only types are read."""
    names = [name for module, name in _KINDS if module == library]
    return types.SimpleNamespace(**{name: type(name, (), {"__module__": library}) for name in names})


def with_tables(annotation: Any) -> Any:
    """Return a type with what stands for a table in the place of each; nothing is imported for it."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and origin is None:
        return _kind_of(annotation) or annotation
    if isinstance(origin, type) and (kind := _kind_of(origin)):  # NDArray[float]
        return kind
    if origin is typing.Annotated:
        return typing.Annotated[(with_tables(inner[0]), *inner[1:])]
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, map(with_tables, inner))
    if origin in (list, tuple):
        return origin[tuple(map(with_tables, inner))]
    return annotation


def _kind_of(kind: type[Any]) -> type[TableArgument] | None:
    found = (_KINDS.get((each.__module__.partition(".")[0], each.__qualname__)) for each in kind.__mro__)
    return next(filter(None, found), None)


def is_table_source(node: ast.expr, value: Any) -> bool:
    """Whether an expression is what stands in code for a table that a record names."""
    if not isinstance(value, str) or not isinstance(node, ast.Name | ast.Call):
        return False
    if isinstance(node, ast.Name):
        return node.id == value and is_parameter_name(value)
    sources = (kind(value).source for kind in _KINDS.values() if kind.reader_of(value) and kind(value).is_file)
    return ast.unparse(node) in (ast.unparse(ast.parse(source, mode="eval").body) for source in sources)
