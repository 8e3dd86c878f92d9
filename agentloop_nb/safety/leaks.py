"""What leaves: data and secrets that code sends, and what of the user's data a request carries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from agentloop_nb.safety.code_risks import Reading, Target
from agentloop_nb.safety.code_risks.flows import carried
from agentloop_nb.safety.code_risks.places import host_of
from agentloop_nb.safety.freight import MANY, carried_words
from agentloop_nb.safety.origins import Origins

_ADDRESSES = re.compile(
    r"\b(urls?|links?|address(es)?|web ?sites?|domains?|pages?|download|fetch|crawl|scrape|https?)\b"
)
"""Words of a goal that is about following addresses."""
LINK = re.compile(r"https?://[^\s<>\"']+")
"""An address as a document or a tool writes it: to follow it tells nothing that it does not say itself."""


def leaks(reading: Reading, used: Set[Target], origins: Origins) -> Iterator[str]:
    """Say what code sends to whom, where the user named neither; `used` is what earlier code used."""
    elsewhere = {target.name for target in reading.targets | used if target.kind == "host"}
    for sending in reading.sendings:
        # A connection is often opened in one place and used in another.
        receivers = sending.hosts or elsewhere
        if receivers and all(map(origins.asked_for_host, receivers)):
            continue
        freight: set[str] = set()
        for part in sending.payload:
            freight |= carried(part, reading.values)
        if not sending.hosts and not sending.sends and sending.payload:
            addressed = freight and carried(sending.payload[0], reading.values)
            if addressed and origins.sources and not _ADDRESSES.search(origins.user):
                yield "it goes to an address that stands in data"
            freight &= {"secrets"}
        if sending.sends and not sending.payload:
            freight.add("data")
        if freight:
            where = ", ".join(sorted(sending.hosts)) or "an address that is not known beforehand"
            yield f"it sends {', '.join(sorted(freight))} to {where}"


def request_leaks(text: str, origins: Origins) -> Iterator[str]:
    """Say what a search or an address carries that only the user's data holds."""
    own = [source for source in origins.sources if source.whose != "stranger"]
    foreign = [source.text for source in origins.sources if source.whose != "person"]
    links = (link for source in own if source.whose == "mixed" for link in LINK.findall(source.text))
    theirs = (source.text for source in origins.sources if source.whose == "stranger")
    known = "\n".join([origins.user, *links, *theirs])
    address = re.match(r"\s*[a-z]+://([^/\s]+)", text, re.IGNORECASE)
    host = host_of(address[1].rpartition("@")[2].partition(":")[0]) if address else ""
    if host and origins.asked_for_host(host):
        return
    suggested = host and any(host in text for text in foreign)
    names = MANY if not foreign else 1 if suggested else 2
    for source in own:
        if sent := carried_words(text, source.text, known, names=names, figures=6 if not foreign else 4):
            yield f"it sends {sent!r} from {source.origin}"
            return
