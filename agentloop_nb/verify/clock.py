"""Which code looks at the clock: what it shows is another thing tomorrow."""

from __future__ import annotations

import re
from typing import Any

from agentloop_nb.export.dependencies import names_of

_CLOCK = re.compile(
    r"\b(?:today|now|utcnow|ctime|strftime|localtime|perf_counter|monotonic|time\.time|time\(\)|getmtime|st_mtime|getpid"
    r"|uuid[14]|timeit)\b|%%?time\b"
)


def looks_at_clock(source: str) -> bool:
    """Whether a source reads the time, or measures it."""
    return bool(_CLOCK.search(source))


def clock_cells(cells: list[dict[str, Any]]) -> set[str]:
    """Ids of the code cells that look at the clock, or use what such a cell made."""
    tainted: set[str] = set()
    found: set[str] = set()
    for cell in cells:
        names = names_of(cell["source"])
        if looks_at_clock(cell["source"]) or names.uses & tainted:
            found.add(cell["id"])
            tainted |= {name for name in names.defines if name not in names.modules}
    return found
