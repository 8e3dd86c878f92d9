"""What a model costs. The first source that knows answers; nobody knowing is unknown, never free."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agentloop_nb._internal.paths import typed_path
from agentloop_nb.errors import UserError
from agentloop_nb.protocols import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

MILLION = Decimal(1_000_000)
ANY_MODEL = "*"
"""The name under which a price table lists what holds for every other model."""
_DATED = re.compile(r"-(?:\d{4}-?\d{2}-?\d{2}|latest)")
_KINDS = ("input", "output", "cached", "cache_write")


@dataclass(frozen=True)
class Rates:
    """US dollars per million tokens; cached input and cache writes cost as input unless told apart."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    cache_write: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal:
        """Price a usage in dollars."""
        plain = usage.input - usage.cached - usage.cache_write
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        spent = plain * self.input + usage.cached * cached + usage.cache_write * written
        return (spent + usage.output * self.output) / MILLION


FREE = Rates(Decimal(0), Decimal(0))


@dataclass(frozen=True)
class Pricing:
    """The price of one model at one address."""

    model: str
    base_url: str
    setting: str | None = None
    """AGENTLOOP_PRICE: rates, or the path of a table."""
    free: bool = False
    """The provider is one whose calls cost nothing (`ollama:`, `lmstudio:`, `vllm:`)."""

    def quote(self, usage: Usage) -> Decimal | None:
        """Price a usage in dollars; None when the price is unknown."""
        if self._rates is not None:
            return self._rates.cost(usage)
        if self._listed is None:
            return None
        from genai_prices import Usage as Listed

        provider, model = self._listed
        tokens = Listed(
            input_tokens=usage.input,
            cache_read_tokens=usage.cached,
            cache_write_tokens=usage.cache_write,
            output_tokens=usage.output,
        )
        return model.calc_price(tokens, provider).total_price

    @property
    def context_window(self) -> int | None:
        """The model's context in tokens, as listed for a hosted model."""
        listed = None if self.free else self._listed
        return listed[1].context_window if listed else None

    @cached_property
    def _rates(self) -> Rates | None:
        """What the user said, or nothing for what is free; None leaves it to the list of hosted models."""
        stated = read_price(self.setting, self.model) if self.setting else None
        if stated is not None:
            return stated
        if self.free or (self._listed is None and is_loopback(self.base_url)):
            return FREE
        return None

    @cached_property
    def _listed(self) -> tuple[Provider, ModelInfo] | None:
        """The model in the list of hosted models: by its provider's address, else by its exact name."""
        # the package before its part, as in `notebook.warming`: from two sides, two threads wait for each other
        from genai_prices import data_snapshot

        snapshot = data_snapshot.get_snapshot()
        try:
            return snapshot.find_provider_model(self.model, None, None, self.base_url)
        except LookupError:
            pass
        aggregator = "openrouter" if "/" in self.model else None
        try:
            provider, model = snapshot.find_provider_model(self.model, None, aggregator, None)
        except LookupError:
            return None
        rest = self.model.removeprefix(model.id)
        return (provider, model) if rest == "" or (rest != self.model and _DATED.fullmatch(rest)) else None


@lru_cache(maxsize=64)
def is_loopback(base_url: str) -> bool:
    """Whether an address is this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_rates(setting: str) -> bool:
    """Whether AGENTLOOP_PRICE gives one model's rates, not the path of a table."""
    return re.fullmatch(r"[\s$\d.,eE+-]+", setting) is not None


def read_price(setting: str, model: str) -> Rates | None:
    """Read AGENTLOOP_PRICE for a model; None when a table does not list it. Raises `UserError`, one line.

    Either `0.15,0.60` (dollars per million tokens in and out, then cached input if it differs), or the path of a table
    in TOML or JSON: `["gpt-4o-mini"]` with `input`, `output` and, if they differ, `cached` and `cache_write`.
    """
    if is_rates(setting):
        amounts = setting.replace("$", "").split(",")
        named = dict(zip(_KINDS, amounts, strict=False)) if len(amounts) <= len(_KINDS) else {}
        return _rates(named, f"AGENTLOOP_PRICE={setting}")
    path = typed_path(setting)
    table = _table(path)
    entry = table.get(model, table.get(ANY_MODEL))
    if entry is None:
        return None
    return _rates(entry, f"the price of {model!r} in {path}")


def _table(path: Path) -> Mapping[str, Any]:
    how = "give AGENTLOOP_PRICE as 0.15,0.60 (dollars per million tokens in and out) or the path of a price table"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise UserError(f"cannot read the price table {str(path)!r} ({reason}): {how}") from None
    try:
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"the price table {path} is malformed: {error}") from None
    if not isinstance(table, dict):
        raise UserError(f"the price table {path} must map model names to their rates")
    return table


def _rates(entry: object, what: str) -> Rates:
    expected = f"{what} needs input and output in dollars per million tokens, for example input = 0.15, output = 0.60"
    if not isinstance(entry, Mapping) or not {"input", "output"} <= entry.keys() <= set(_KINDS):
        raise UserError(expected)
    try:
        rates = {kind: Decimal(str(value).strip()) for kind, value in entry.items()}
    except InvalidOperation:
        raise UserError(expected) from None
    if not all(rate.is_finite() and rate >= 0 for rate in rates.values()):
        raise UserError(expected)
    return Rates(**rates)
