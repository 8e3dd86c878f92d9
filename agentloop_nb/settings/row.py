"""One setting: what there is to say about it."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar, dataclass_transform

from agentloop_nb.settings.convert import Kind

T = TypeVar("T")


class Setting(NamedTuple):
    """What there is to say about a setting beside its name and type."""

    kind: Kind
    help: str
    """What it means; code stands in back-ticks."""
    more: str = ""
    """What only the docs add."""
    flags: tuple[str, ...] = ()
    value: str = ""
    """How its value is shown in help; empty for a switch."""
    environment: str = ""
    """Its variable in the environment and .env."""
    usual: str = ""
    """Its default in words, where the value does not say it."""
    example: str = ""
    kept: bool = False
    """Whether a resumed run keeps it from its record."""
    safety: bool = False
    """Whether it touches safety, place or money, so that only a record of one's own may decide it."""
    shell_only: bool = False
    repeatable: bool = False
    """Whether its flag may be given several times."""


ROWS: list[Setting] = []
"""In the order in which they were written."""


def row(default: T, kind: Kind, help: str, **rest: Any) -> T:  # noqa: A002 - the word people know
    """Note a row; what a class attribute holds is the default."""
    ROWS.append(Setting(kind, help, **rest))
    return default


@dataclass_transform(frozen_default=True, kw_only_default=True)
def typed(rows: type[T]) -> type[T]:
    """Tell type checkers that this becomes a dataclass; at its first use, for that takes long (see `settings`)."""
    return rows
