"""One setting: what there is to say about it."""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

from agentloop_nb.settings.convert import Kind

T = TypeVar("T")


class Setting:
    """What there is to say about a setting beside its name and type. A plain class: `%load_ext` makes it."""

    more = ""
    """What only the docs add."""
    flags: tuple[str, ...] = ()
    value = ""
    """How its value is shown in help; empty for a switch."""
    environment = ""
    """Its variable in the environment and .env."""
    usual = ""
    """Its default in words, where the value does not say it."""
    example = ""
    kept = False
    """Whether a resumed run keeps it from its record."""
    safety = False
    """Whether it touches safety, place or money, so that only a record of one's own may decide it."""
    shell_only = False
    repeatable = False
    """Whether its flag may be given several times."""

    def __init__(self, kind: Kind, help: str, **rest: Any) -> None:
        self.kind = kind
        self.help = help
        """What it means; code stands in back-ticks."""
        for name, value in rest.items():
            if not hasattr(Setting, name):
                raise TypeError(f"a setting has no {name!r}")
            setattr(self, name, value)


ROWS: list[Setting] = []
"""In the order in which they were written."""


def row(default: T, kind: Kind, help: str, **rest: Any) -> T:
    """Note a row; what a class attribute holds is the default."""
    ROWS.append(Setting(kind, help, **rest))
    return default


@dataclass_transform(frozen_default=True, kw_only_default=True)
def typed(rows: type[T]) -> type[T]:
    """Tell type checkers that this becomes a dataclass; at its first use, for that takes long (see `settings`)."""
    return rows
