"""Files that a run read and then changed or deleted: the export brings them as they were before it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from agentloop_nb.export.anonymize import Anonymizer
from agentloop_nb.export.embedded_data import Data
from agentloop_nb.export.inputs import is_inside
from agentloop_nb.safety.redaction import MASK
from agentloop_nb.safety.secrets import secrets_in
from agentloop_nb.step import Step

_APPENDS = re.compile(r"""["'](?:a|r\+|a\+)[bt]?["']|\bto_csv\b|append""")
"""Signs that a file goes on from what it held."""


def former(steps: Iterable[Step], folder: str, scrub: Anonymizer) -> Data | None:
    """Make data of the files that steps needed and did not leave as they were; they lie in `folder`."""
    contents: dict[str, bytes] = {}
    made: set[str] = set()
    for step in steps:
        effects = step.effects
        made |= {file.path for file in effects.placed}
        for name, kept in effects.replaced.items():
            needed = name in effects.files_read or _goes_on(step) or name not in effects.files_written
            if needed and is_inside(name) and name not in made | contents.keys():
                content = _fit_to_leave(kept, scrub)
                contents |= {} if content is None else {name: content}
        made |= set(effects.files_written)
    if not contents:
        return None
    places = {name: _place(name, content, folder) for name, content in contents.items()}
    lines = ["# Files that the run changed, as they were before it.", "import os", "import shutil"]
    for name, place in places.items():
        if (home := PurePosixPath(name).parent.as_posix()) != ".":
            lines.append(f"os.makedirs({home!r}, exist_ok=True)")
        lines.append(f"shutil.copyfile({place!r}, {name!r})")
    lines = [line for line in lines if line != "import os" or any("os.makedirs" in each for each in lines)]
    files = {places[name]: content for name, content in contents.items()}
    return Data("\n".join(lines), files, made=frozenset(contents))


def _goes_on(step: Step) -> bool:
    action = step.decision.action if step.decision else None
    return bool(_APPENDS.search(getattr(action, "code", "")))


def _fit_to_leave(kept: dict[str, str], scrub: Anonymizer) -> bytes | None:
    """Return the content, unless something private is in it."""
    if (text := kept.get("text")) is not None:
        private = scrub.text(text) != text or MASK in text or any(secrets_in("", word) for word in text.split())
        return None if private else text.encode()
    try:
        return base64.b64decode(kept.get("base64", "?"), validate=True)
    except ValueError:
        return None


def _place(name: str, content: bytes, folder: str) -> str:
    path = PurePosixPath(name)
    return f"{folder}/{path.stem}-{hashlib.sha256(content).hexdigest()[:8]}{path.suffix}"


def together(one: Data | None, other: Data | None) -> Data | None:
    """Both as one cell."""
    if one is None or other is None:
        return one or other
    return Data(f"{one.source}\n\n{other.source}", {**one.files, **other.files}, one.made | other.made)
