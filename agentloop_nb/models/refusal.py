"""Read an error answer of a model server, whatever shape it has, and what it says about waiting and windows."""

from __future__ import annotations

import email.utils
import html
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

LONGEST_MESSAGE = 300
"""Characters of a server's own message that are passed on."""
LONGEST_HEAD = 20_000
"""Characters of a page among which its title is looked for."""
LONGEST_TEXT = 20_000
"""Characters of a body that are searched."""
_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|window|size|limit)|context the overflows"
    r"|input token count.{0,40}exceeds|too many (?:input )?tokens|(?:prompt|input) is too long"
    r"|reduce the length of the messages|request too large",
    re.IGNORECASE,
)
_WINDOW = (
    re.compile(r'"?n_ctx"?\W{1,4}(\d+)'),
    re.compile(r"(?:maximum context length|context (?:length|window|size))\D{0,30}?(\d[\d,]*)", re.IGNORECASE),
    re.compile(r"> ?(\d[\d,]*) maximum", re.IGNORECASE),
    re.compile(r"maximum number of tokens allowed\D{0,5}(\d[\d,]*)", re.IGNORECASE),
    re.compile(r"limit:? (\d[\d,]*), requested", re.IGNORECASE),
    re.compile(r"\d \+ \d+ > (\d+)"),
)
_PROMPT = re.compile(
    r"\((\d[\d,]*) in the messages|request has (\d[\d,]*) input tokens|"
    r"(?<!\d)(\d{1,12}) \+ \d{1,12} > \d",
    re.IGNORECASE,
)
_STATUSES = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "rate_limited": 429,
    "too_many_requests": 429,
    "resource_exhausted": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "overloaded": 529,
    "unavailable": 503,
    "unavailable_error": 503,
    "service_unavailable": 503,
    "deadline_exceeded": 504,
    "timeout": 504,
    "server_error": 500,
    "api_error": 500,
    "internal": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthenticated": 401,
    "permission_denied": 403,
    "permission_error": 403,
    "not_found": 404,
    "not_found_error": 404,
    "model_not_found": 404,
    "invalid_argument": 400,
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
}
"""What servers call an error inside the body, as HTTP would number it."""
_LATER = re.compile(
    r"rate.?limit|too many requests|overloaded|at capacity|temporarily|try again (?:later|in)|loading model"
    r"|model is (?:still |currently )?loading|warming up|starting up"
    r"|(?:service|server|model) (?:is )?(?:currently )?unavailable",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"insufficient.?(?:quota|balance|credit|funds)|billing_hard_limit|exceeded your current quota|credit balance is too"
    r"|no credits?\b|out of credits?|payment required",
    re.IGNORECASE,
)
UNSUPPORTED = re.compile(
    r"support|unknown|unrecogni|not (?:allowed|permitted)|invalid|extra|deprecated|unexpected|only", re.IGNORECASE
)
"""Says that something of a request is not taken."""
_TITLE = re.compile(r"<(title|h1)[^<>]{0,300}>(.{0,500}?)</\1>", re.IGNORECASE | re.DOTALL)
_AGAIN = re.compile(
    r"(?:(?:try again|retry) in|retryDelay\W{1,5})\s*((?:\d{1,9}(?:\.\d{1,9})?(?:ms|h|m|s)\s{0,3})+)", re.IGNORECASE
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Refusal:
    """An HTTP error answer, whatever shape its body has (an object, a list of one, a bare string, a page)."""

    status: int
    message: str = ""
    code: str = ""
    param: str = ""
    text: str = ""
    """The body as text, its beginning, to search in."""
    headers: Mapping[str, str] = field(default_factory=dict)
    attempt: str = ""

    @classmethod
    def read(cls, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Refusal:
        """Read the body of an error answer, or the error inside an answer that pretends to be well."""
        if isinstance(body, list) and body:
            body = body[0]
        inner = (body.get("error") or body) if isinstance(body, Mapping) else body
        found = inner if isinstance(inner, Mapping) else {"message": inner}
        message = found.get("message") or found.get("detail") or found.get("error_msg") or found.get("msg") or ""
        metadata = found.get("metadata")
        if isinstance(metadata, Mapping) and metadata.get("raw"):  # OpenRouter passes its provider's words on in here
            message = f"{message}: {metadata['raw']}"
        if _is_page(str(message)):
            message = _title(str(message))
        return cls(
            status=status,
            message=one_line(str(message)),
            code=str(found.get("code") or found.get("type") or found.get("status") or ""),
            param=str(found.get("param") or ""),
            text=str(body)[:LONGEST_TEXT],
            headers=headers or {},
            attempt=str(found.get("failed_generation") or ""),
        )

    @classmethod
    def inside(cls, body: Any, default: int) -> Refusal:
        """Read an error that came in the body of an answer that began well: its own code is what counts."""
        refusal = cls.read(default, body)
        told = body.get("error") if isinstance(body, Mapping) and body.get("error") else body
        fields = told if isinstance(told, Mapping) else {}
        words = [fields.get(name) for name in ("code", "status", "http_status", "statusCode", "type")]
        statuses = filter(None, map(_status_of, words))
        found = next(statuses, 503 if _LATER.search(refusal.message) else default)
        return replace(refusal, status=found)

    def names(self, parameters: Sequence[str]) -> bool:
        """Whether it is about one of these parameters."""
        if self.param in parameters:
            return True
        named = any(re.search(rf"\b{name}\b", self.text) for name in parameters)
        return named and bool(UNSUPPORTED.search(self.text))

    @property
    def is_page(self) -> bool:
        """A web page, so not from a model server."""
        return _is_page(self.text)

    @property
    def says_later(self) -> bool:
        """The server asks us to come back, so waiting costs nothing and no try."""
        return self.status in (429, 503, 529) or (self.status in (500, 502, 504) and self.retry_after is not None)

    @property
    def says_wait(self) -> bool:
        """Its words say that it is too early or too busy, so nothing was done."""
        return bool(_LATER.search(self.text))

    @property
    def is_out_of_credit(self) -> bool:
        """Waiting cannot help: somebody has to pay."""
        told = f"{self.code} {self.message}"
        if self.status == 429 and self.retry_after is not None and self.code != "insufficient_quota":
            return False
        return self.status == 402 or (self.status in (400, 403, 429) and bool(_NO_CREDIT.search(told)))

    @property
    def is_overflow(self) -> bool:
        """The prompt is too long for the model, or for what the account may send at once."""
        if self.status == 413:
            return True
        return self.status in (400, 422, 429, 500) and bool(_OVERFLOW.search(f"{self.code} {self.text}"))

    @property
    def generated(self) -> str:
        """What the model wrote although the server calls it invalid (Groq's `failed_generation`)."""
        return self.attempt if self.code == "json_validate_failed" else ""

    @property
    def window(self) -> int | None:
        """The context window the server told, in tokens."""
        found = (pattern.search(self.text) for pattern in _WINDOW)
        return next((_number(match[1]) for match in found if match), None)

    @property
    def prompt(self) -> int | None:
        """The prompt's own tokens, where a server tells them apart from the reply asked for."""
        match = _PROMPT.search(self.text)
        return _number(match[1] or match[2] or match[3]) if match else None

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asks us to wait: a header in seconds, milliseconds or as a date, or a sentence."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if (value := headers.get("retry-after-ms")) is not None and (seconds := _float(value)) is not None:
            return seconds / 1000
        if (value := headers.get("retry-after")) is not None:
            if (seconds := _float(value)) is not None:
                return seconds
            if (date := email.utils.parsedate_tz(value)) is not None:
                return max(0.0, email.utils.mktime_tz(date) - time.time())
        if match := _AGAIN.search(self.text):
            parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)", match[1], re.IGNORECASE)
            return sum(float(amount) * _UNITS[unit.lower()] for amount, unit in parts)
        return None


def _is_page(text: str) -> bool:
    head = text[:500].lower()
    return "<html" in head or "<!doctype" in head or "<head" in head or "<title" in head


def _title(page: str) -> str:
    """Return what a page says it is."""
    found = _TITLE.search(page[:LONGEST_HEAD])
    return html.unescape(re.sub(r"<[^<>]+>", " ", found[2])) if found else ""


def _status_of(word: object) -> int | None:
    """Return the HTTP status that a code, a type or a status word of a body stands for."""
    text = str(word or "").strip().lower()
    if text.isdigit():
        return int(text) if 400 <= int(text[:4]) < 600 and len(text) == 3 else None
    return _STATUSES.get(text)


def one_line(text: str) -> str:
    """Put a text on one line of bearable length."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_MESSAGE else line[:LONGEST_MESSAGE] + "…"


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _float(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
