"""What went wrong with a model call, in one line that says what to do, and whether trying again can help."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agentloop_nb.errors import ContextOverflow, ModelFault, PermanentFault, TransientFault

LONGEST_MESSAGE = 300
"""Characters of a server's own message that are passed on."""
NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"}
"""Transport errors raised before the request left, so that nothing can have been billed."""

_OVERFLOW = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|window|size)|context the overflows"
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
)
_PROMPT = re.compile(r"\((\d[\d,]*) in the messages|request has (\d[\d,]*) input tokens", re.IGNORECASE)
_AGAIN = re.compile(r"(?:try again in|retryDelay\W{1,5})\s*((?:\d+(?:\.\d+)?(?:ms|h|m|s)\s*)+)", re.IGNORECASE)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Refusal:
    """An HTTP error answer, whatever shape its body has (an object, a list of one, a bare string, a page)."""

    status: int
    message: str = ""
    code: str = ""
    param: str = ""
    text: str = ""
    """The whole body as text, to search in."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Refusal:
        """Read the body of an error answer, or the error inside an answer that pretends to be well."""
        if isinstance(body, list) and body:
            body = body[0]
        inner = body.get("error", body) if isinstance(body, Mapping) else body
        found = inner if isinstance(inner, Mapping) else {"message": inner}
        message = found.get("message") or found.get("detail") or ""
        metadata = found.get("metadata")
        if isinstance(metadata, Mapping) and metadata.get("raw"):  # OpenRouter passes its provider's words on in here
            message = f"{message}: {metadata['raw']}"
        return cls(
            status=status,
            message=_one_line(str(message)),
            code=str(found.get("code") or found.get("type") or ""),
            param=str(found.get("param") or ""),
            text=str(body),
            headers=headers or {},
        )

    @property
    def is_page(self) -> bool:
        """A web page, so not from a model server."""
        return "<html" in self.text[:500].lower() or "<!doctype" in self.text[:500].lower()

    @property
    def is_overflow(self) -> bool:
        """The prompt is too long for the model, or for what the account may send at once."""
        if self.status == 413:
            return True
        return self.status in (400, 422, 429, 500) and bool(_OVERFLOW.search(f"{self.code} {self.text}"))

    @property
    def window(self) -> int | None:
        """The context window the server told, in tokens."""
        found = (pattern.search(self.text) for pattern in _WINDOW)
        return next((_number(match[1]) for match in found if match), None)

    @property
    def prompt(self) -> int | None:
        """The prompt's own tokens, where a server tells them apart from the reply asked for."""
        match = _PROMPT.search(self.text)
        return _number(match[1] or match[2]) if match else None

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
            parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", match[1], re.IGNORECASE)
            return sum(float(amount) * _UNITS[unit.lower()] for amount, unit in parts)
        return None


@dataclass(frozen=True)
class Server:
    """Who is talked about in a message."""

    base_url: str
    model: str
    provider: str = ""
    key_variable: str | None = None
    """Where its key would come from; None for a server that needs none."""
    sends_key: bool = False

    @property
    def host(self) -> str:
        """`127.0.0.1:11434`."""
        return urlsplit(self.base_url).netloc

    def refused(self, refusal: Refusal) -> ModelFault:
        """Map an error answer."""
        if refusal.is_overflow:
            return ContextOverflow(f"{self._said(refusal, 'the prompt is too long')}", limit=refusal.window)
        if refusal.code in ("insufficient_quota", "billing_hard_limit_reached") or refusal.status == 402:
            return PermanentFault(
                self._said(refusal, "no credit left") + "; add credit there, or choose another model with -m"
            )
        if refusal.status in (408, 409, 425, 429) or refusal.status >= 500:
            return self._overloaded(refusal)
        if refusal.status in (401, 403):
            return PermanentFault(self._locked(refusal))
        return PermanentFault(self._denied(refusal))

    def _overloaded(self, refusal: Refusal) -> TransientFault:
        what = "rate limited" if refusal.status == 429 else "server error"
        billed = refusal.status >= 500 and refusal.status != 501
        return TransientFault(self._said(refusal, what), billed=billed, retry_after=refusal.retry_after)

    def _locked(self, refusal: Refusal) -> str:
        if refusal.status == 403:
            return self._said(refusal, "access denied") + "; check what your key may use"
        return self._said(refusal, "the key was not accepted" if self.sends_key else "a key is needed") + self._key

    def _denied(self, refusal: Refusal) -> str:
        if "content_filter" in refusal.text or "content management policy" in refusal.text:
            return self._said(refusal, "the provider's filter refused the prompt") + "; say it differently and resume"
        if refusal.is_page or (refusal.status in (404, 405) and self.model not in refusal.text):
            return f"{self.host} has no chat completions at {self.base_url}; the base URL usually ends in /v1"
        if refusal.status == 404:
            return self._said(refusal, f"no model {self.model!r}") + "; %agent models lists what it offers"
        if 300 <= refusal.status < 400:
            return (
                f"{self.host} redirects to {refusal.headers.get('location', 'another address')}; use that as base URL"
            )
        return self._said(refusal, "the request was refused")

    @property
    def _key(self) -> str:
        if self.key_variable is None:
            return "; keys are sent only to the address in OPENAI_BASE_URL: set it together with OPENAI_API_KEY"
        return f"; check {self.key_variable}, or type %agent login"

    def _said(self, refusal: Refusal, what: str) -> str:
        return f"{self.host}: {what} ({refusal.status})" + (f": {refusal.message}" if refusal.message else "")

    def unreachable(self, error: BaseException) -> ModelFault:
        """Map a transport error: no connection, a reset, a timeout, a certificate nobody trusts."""
        chain = list(_causes(error))
        names = {type(cause).__name__ for cause in chain}
        if "SSLCertVerificationError" in names or any("CERTIFICATE_VERIFY_FAILED" in str(cause) for cause in chain):
            return PermanentFault(f"{self.host}: its certificate is not trusted; point SSL_CERT_FILE at your CA bundle")
        if names & NEVER_SENT:
            return TransientFault(
                f"nothing answers at {self.base_url}; is the server running, and is the address right?"
            )
        return TransientFault(f"{self.host}: the connection broke ({_one_line(str(chain[-1]))})", billed=True)

    def silent(self, seconds: float) -> TransientFault:
        """Nothing came for so long that the attempt was given up."""
        return TransientFault(f"{self.host}: no answer for {seconds:g} s", billed=True)

    def garbled(self, what: str) -> TransientFault:
        """Something came, but not what a model server sends."""
        return TransientFault(f"{self.host}: {what}", billed=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _one_line(text: str) -> str:
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
