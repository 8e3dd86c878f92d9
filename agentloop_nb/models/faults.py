"""What went wrong with a model call, in one line that says what to do, and whether trying again can help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from agentloop_nb.errors import ContextOverflow, Hint, ModelFault, PermanentFault, TransientFault
from agentloop_nb.models.prices import is_loopback
from agentloop_nb.models.refusal import Refusal, one_line

NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"}
"""Transport errors raised before the request left, so that nothing can have been billed."""
BUSY, STARTING, AWAY = 600.0, 180.0, 60.0
"""Seconds worth waiting for a server that says "later", for one on this machine that starts, and through an outage."""
_NO_PLACE = re.compile(
    r"\A\W*+(?:(?:error )?404\b[\s:]*+)?(?:page |file |url |route |path |endpoint )?(?:not found\W*+)?\Z"
    r"|no such path|unexpected endpoint|invalid url|unknown request url|cannot post|no route|requested url"
    r"|method not allowed|resource (?:was )?not found",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"\bmodel\b.{0,120}(?:not (?:found|exist|available)|does(?: not|n't) exist|not a valid|unknown|try pulling)"
    r"|(?:no such|unknown|invalid|not a valid) model|model_not_found|\Amodel: \S+ not_found_error\Z",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Server:
    """Who is talked about in a message."""

    base_url: str
    model: str
    provider: str = ""
    key_variable: str | None = None
    """Where its key would come from; None for a server that needs none."""
    sends_key: bool = False
    start: str = ""
    """How a person starts it, where it is known that nobody else does: `ollama serve`."""
    api: str = "chat completions"
    """What it is asked for at that address."""

    @property
    def host(self) -> str:
        """`127.0.0.1:11434`."""
        return urlsplit(self.base_url).netloc

    def refused(self, refusal: Refusal) -> ModelFault:
        """Map an error answer."""
        if refusal.is_overflow:
            return ContextOverflow(f"{self._said(refusal, 'the prompt is too long')}", limit=refusal.window)
        if refusal.is_out_of_credit:
            return PermanentFault(
                self._said(refusal, "no credit left") + "; add credit there, or choose another model with -m"
            )
        if refusal.status in (408, 409, 425, 429) or refusal.status >= 500:
            return self._overloaded(refusal)
        if refusal.status in (401, 403):
            return self._locked(refusal)
        return self._denied(refusal)

    def _overloaded(self, refusal: Refusal) -> TransientFault:
        what = "rate limited" if refusal.status == 429 else "server error"
        waits = refusal.says_wait or refusal.retry_after is not None
        billed = refusal.status >= 500 and refusal.status not in (501, 529) and not (refusal.status == 503 and waits)
        patience = BUSY if refusal.says_later else AWAY if refusal.status in (502, 504) else None
        return TransientFault(
            self._said(refusal, what), billed=billed, retry_after=refusal.retry_after, patience=patience
        )

    def _locked(self, refusal: Refusal) -> PermanentFault:
        if refusal.status == 403:
            return PermanentFault(self._said(refusal, "access denied") + "; check what your key may use")
        told = self._said(refusal, "the key was not accepted" if self.sends_key else "a key is needed")
        if self.key_variable is None:
            told += "; keys are sent only to the address in OPENAI_BASE_URL: set it together with OPENAI_API_KEY"
            return PermanentFault(told)
        return PermanentFault(f"{told}; check {self.key_variable}", Hint("login", lead=", or type ", only="notebook"))

    def _denied(self, refusal: Refusal) -> PermanentFault:
        if "content_filter" in refusal.text or "content management policy" in refusal.text:
            told = self._said(refusal, "the provider's filter refused the prompt")
            return PermanentFault(f"{told}; say it differently and resume")
        no_place = refusal.status in (404, 405) and _NO_PLACE.search(refusal.message)
        if no_place or (refusal.is_page and refusal.status in (200, 404, 405)):
            return PermanentFault(f"{self.host} has no {self.api} at {self.base_url}; the base URL usually ends in /v1")
        if refusal.status in (400, 404) and _NO_MODEL.search(f"{refusal.message} {refusal.code}"):
            return PermanentFault(
                self._said(refusal, f"no model {self.model!r}"), Hint("models", "lists what it offers")
            )
        if 300 <= refusal.status < 400:
            where = refusal.headers.get("location", "another address")
            return PermanentFault(f"{self.host} redirects to {where}; use that as base URL")
        return PermanentFault(self._said(refusal, "the request was refused"))

    def _said(self, refusal: Refusal, what: str) -> str:
        return f"{self.host}: {what} ({refusal.status})" + (f": {refusal.message}" if refusal.message else "")

    def unreachable(self, error: BaseException, *, answered: bool = False) -> ModelFault:
        """Map a transport error: no connection, a reset, a timeout, a certificate nobody trusts.

        `answered` says that the server was there before.
        """
        chain = list(_causes(error))
        names = {type(cause).__name__ for cause in chain}
        if "SSLCertVerificationError" in names or any("CERTIFICATE_VERIFY_FAILED" in str(cause) for cause in chain):
            return PermanentFault(f"{self.host}: its certificate is not trusted; point SSL_CERT_FILE at your CA bundle")
        if names & NEVER_SENT:
            return self._absent(answered=answered)
        return TransientFault(f"{self.host}: the connection broke ({one_line(str(chain[-1]))})", billed=True)

    def _absent(self, *, answered: bool) -> ModelFault:
        """Nobody is there. A server on this machine may be starting; one that people start by a click is not."""
        if self.start and not answered:
            return PermanentFault(
                f"nothing answers at {self.base_url}: start it ({self.start}), or name its address with --base-url"
            )
        told = f"nothing answers at {self.base_url}; is the server running, and is the address right?"
        return TransientFault(told, patience=STARTING if is_loopback(self.base_url) else AWAY)

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
