"""One resolved, frozen `Settings`: argument > %config > environment > .env > default."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agentloop_nb._internal import steering_files
from agentloop_nb.errors import UserError
from agentloop_nb.settings import convert
from agentloop_nb.settings.table import TABLE, Rows

dataclass(frozen=True, kw_only=True)(Rows)

log = logging.getLogger(__name__)


class Settings(Rows):
    """What a run is allowed and told to do. Holds no secret, so it may be recorded and shown."""

    def record(self) -> dict[str, Any]:
        """Return the settings as JSON values, for the record."""
        return {key: convert.plain(value) for key, value in asdict(self).items()}


DEFAULT_MODEL = Settings.model

KEPT = tuple(name for name, setting in TABLE.items() if setting.kept)
"""Settings that a resumed run keeps from its record."""
ENVIRONMENT = {name: setting.environment for name, setting in TABLE.items() if setting.environment}
"""The environment (and .env) variable of a setting, if it has one."""


def dotenv(folder: Path | None = None) -> dict[str, str]:
    """Return the variables of the nearest .env at or above `folder` (default: the current one); never sets them.

    A variable without a value is not set, as in the environment. Raises `UserError` if the file cannot be read.
    """
    from dotenv import dotenv_values

    here = (folder or Path.cwd()).resolve()
    for candidate in (here, *here.parents):
        path = candidate / ".env"
        try:
            if path.is_file() and steering_files.by_a_run(path):
                log.warning("%s was written by a run, so it sets nothing; read it, and save it again to use it", path)
            elif path.is_file():
                return {key: value for key, value in dotenv_values(path).items() if value}
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UserError(f"{path} cannot be read: {reason}") from None
    return {}


def environment(folder: Path | None = None) -> dict[str, str]:
    """Return the variables settings and keys are read from: the process environment over the .env file."""
    return dotenv(folder) | {key: value for key, value in os.environ.items() if value}


def resolve(arguments: Mapping[str, Any], config: Mapping[str, Any], variables: Mapping[str, str]) -> Settings:
    """Resolve settings; the first layer that has a value other than None wins. Raises `UserError`, one line."""
    values: dict[str, Any] = {}
    for name, setting in TABLE.items():
        flag, variable = setting.flags[-1] if setting.flags else name, setting.environment
        sources = (
            (arguments.get(name), flag, f"{flag} {setting.example}".strip()),
            (config.get(name), f"%config AgentMagics.{name}", setting.example),
            (variables.get(variable), variable, f"{variable}={setting.example}"),
        )
        for value, source, example in sources:
            if value is not None:
                values[name] = _converted(setting.kind, value, source, example)
                break
    return Settings(**values)


def _converted(kind: convert.Kind, value: Any, source: str, example: str) -> Any:
    try:
        return kind.convert(value)
    except (ValueError, TypeError, ArithmeticError):
        given = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        raise UserError(f"{source} must be {kind.expected} ({example}), not {given!r}") from None
