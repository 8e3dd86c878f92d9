"""What we bring along: nothing that talks at import, and licences that ask for nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

QUIET = """
import pkgutil, sys
touched = []
LOUD = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen")
def watch(event, arguments):
    if event in LOUD:
        touched.append((event, str(arguments)[:200]))
sys.addaudithook(watch)
import agentloop_nb
for module in pkgutil.walk_packages(agentloop_nb.__path__, "agentloop_nb."):
    if not module.name.endswith(("__main__", ".extract", ".restricted_kernel")):  # programs of their own
        __import__(module.name)
print(touched)
"""

PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|0BSD|HPND|Zlib|CC0)", re.IGNORECASE
)
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|GNU|EUPL|SSPL|BUSL|Commons Clause)", re.IGNORECASE)
CHOICE = {"tld": "MPL-1.1 may be chosen", "orderly-set": "MIT"}
"""Packages that offer several licences, one of them permissive."""


def test_importing_everything_touches_no_network_and_starts_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"


def requirements(name: str, seen: set[str]) -> set[str]:
    """The distributions that come along when `name` is installed without extras."""
    try:
        wanted = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return seen
    seen.add(name)
    for text in wanted:
        requirement = Requirement(text)
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        key = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if needed and key not in seen:
            requirements(key, seen)
    return seen


def licence(name: str) -> str:
    about = metadata.metadata(name)
    classifiers = [line for line in about.get_all("Classifier") or [] if line.startswith("License")]
    return " / ".join([about.get("License-Expression") or "", *classifiers, (about.get("License") or "")[:100]])


def test_licences_are_permissive() -> None:
    brought = requirements("agentloop-nb", set()) - {"agentloop-nb"}
    assert len(brought) > 20
    told = {name: licence(name) for name in brought}
    doubtful = {name: text for name, text in told.items() if not PERMISSIVE.search(text)}
    doubtful |= {name: text for name, text in told.items() if COPYLEFT.search(text) and name not in CHOICE}
    assert doubtful == {}
