"""One resolved, frozen `Settings`: argument > %config > environment > .env > default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from agentloop_nb.errors import UserError
from agentloop_nb.protocols import Privacy

Approve = Literal["auto", "code", "all"]
Effort = Literal["low", "medium", "high"]

DEFAULT_MODEL = "gpt-4o-mini"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is allowed and told to do. Holds no secret, so it may be recorded and shown."""

    model: str = DEFAULT_MODEL
    base_url: str | None = None
    max_steps: int = 50
    max_retries: int = 3
    budget: Decimal | None = None
    """US dollars a run may spend; None is no limit."""
    timeout: int = 30
    """Seconds a code step may take by default."""
    approve: Approve = "auto"
    temperature: float | None = None
    effort: Effort | None = None
    """How much a reasoning model thinks; None leaves it to the provider."""
    price: str | None = None
    """`0.15,0.60`: dollars a million tokens in and out; or the path of a price table."""
    cache: str | None = None
    """Path of the decision cache; None is off."""
    images: bool = True
    allow_hosts: tuple[str, ...] = ()
    """Hosts `read_url` may reach although their address is not public."""
    record_limit: int = 500
    """Megabytes to which a run's record grows before it keeps outputs in part."""
    search: str | None = None
    """Search engines for ddgs (`duckduckgo`), or the address of a SearXNG server."""
    instructions: str = ""
    """Told to the model in every run, after the project's AGENTS.md."""
    privacy: Privacy = "full"
    allow_changes: str = ""
    undo_memory: int = 512
    """Megabytes (of 2**20 bytes) that copies of variables may take, for undo."""
    trust_web: bool = False
    live: bool = False
    """A replayed run asks the web instead of the record."""
    isolated: bool = False
    """Code runs in a kernel process of its own, in a folder of its own."""
    bring: str | None = None
    """Names of variables and files an isolated run gets; None takes those that the goal names."""
    limits: str = ""
    """What an isolated run may use: `memory=2,cpu=600,processes=32,file=1` (GB, seconds, a number, GB)."""
    output_dir: str | None = None
    export: str | None = None
    output: str | None = None
    """The name a run is bound to in the user's namespace."""
    strict: bool = False
    quiet: bool = False

    def record(self) -> dict[str, Any]:
        """The settings as JSON values, for the record."""
        return {key: str(value) if isinstance(value, Decimal) else value for key, value in asdict(self).items()}


ENVIRONMENT: dict[str, str] = {
    "model": "OPENAI_MODEL",
    "base_url": "OPENAI_BASE_URL",
    "max_steps": "MAX_STEPS",
    "max_retries": "MAX_RETRIES",
    "budget": "AGENTLOOP_BUDGET",
    "temperature": "AGENTLOOP_TEMPERATURE",
    "effort": "AGENTLOOP_EFFORT",
    "price": "AGENTLOOP_PRICE",
    "cache": "AGENTLOOP_CACHE",
    "images": "AGENTLOOP_IMAGES",
    "allow_hosts": "AGENTLOOP_ALLOW_HOSTS",
    "search": "AGENTLOOP_SEARCH",
    "undo_memory": "AGENTLOOP_UNDO_MEMORY",
    "isolated": "AGENTLOOP_ISOLATED",
    "limits": "AGENTLOOP_LIMITS",
    "record_limit": "AGENTLOOP_RECORD_LIMIT",
}
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
            if path.is_file():
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
    for name in Settings.__dataclass_fields__:
        sources = (
            (arguments.get(name), _option(name)),
            (config.get(name), f"%config AgentMagics.{name}"),
            (variables.get(ENVIRONMENT.get(name, "")), ENVIRONMENT.get(name, "")),
        )
        for value, source in sources:
            if value is not None:
                values[name] = _convert(name, value, source)
                break
    return Settings(**values)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _convert(name: str, value: Any, source: str) -> Any:
    convert = _CONVERTERS.get(name, lambda value: value)
    try:
        return convert(value)
    except (ValueError, TypeError, ArithmeticError):
        raise UserError(f"{source} must be {_EXPECTED[name]}, not {str(value)!r}") from None


def _at_least(least: int) -> Any:
    def convert(value: Any) -> int:
        number = float(value)
        if number != int(number) or number < least:
            raise ValueError
        return int(number)

    return convert


def _dollars(value: Any) -> Decimal:
    amount = Decimal(str(value).strip().removeprefix("$"))
    if not amount.is_finite() or amount <= 0:
        raise ValueError
    return amount


def _temperature(value: Any) -> float:
    number = float(value)
    if not 0 <= number <= 2:
        raise ValueError
    return number


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}[
        str(value).strip().lower()
    ]


def _switch_or_error(value: Any) -> bool:
    try:
        return _switch(value)
    except KeyError:
        raise ValueError from None


def _one_of(choices: tuple[str, ...]) -> Any:
    def convert(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return convert


def _names(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())


def _cache_path(value: Any) -> str | None:
    """`1` means the usual place; `0` means off."""
    try:
        return str(Path(".agentloop") / "cache.sqlite") if _switch(value) else None
    except KeyError:
        return str(value)


_CONVERTERS: dict[str, Any] = {
    "max_steps": _at_least(1),
    "max_retries": _at_least(0),
    "timeout": _at_least(1),
    "undo_memory": _at_least(0),
    "record_limit": _at_least(1),
    "budget": _dollars,
    "temperature": _temperature,
    "approve": _one_of(get_args(Approve)),
    "effort": _one_of(get_args(Effort)),
    "privacy": _one_of(get_args(Privacy)),
    "images": _switch_or_error,
    "isolated": _switch_or_error,
    "allow_hosts": _names,
    "cache": _cache_path,
    "model": str,
}
_EXPECTED: dict[str, str] = {
    "max_steps": "a whole number of steps, 1 or more (--max-steps 20)",
    "max_retries": "a whole number, 0 or more (--max-retries 3)",
    "timeout": "a whole number of seconds, 1 or more (--timeout 60)",
    "record_limit": "a whole number of megabytes, 1 or more (AGENTLOOP_RECORD_LIMIT=1000)",
    "undo_memory": "a whole number of megabytes, 0 or more (--undo-memory 2048)",
    "budget": "a positive amount in US dollars (--budget 0.50)",
    "temperature": "a number from 0 to 2 (AGENTLOOP_TEMPERATURE=0.2)",
    "approve": "auto, code or all (--approve code)",
    "effort": "low, medium or high (--effort low)",
    "privacy": "full, schema or none (--privacy schema)",
    "images": "1 or 0 (AGENTLOOP_IMAGES=0)",
    "isolated": "1 or 0 (AGENTLOOP_ISOLATED=1)",
    "allow_hosts": "host names with commas between (AGENTLOOP_ALLOW_HOSTS=wiki.example.org)",
}
