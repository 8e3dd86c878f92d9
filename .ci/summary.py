# ruff: noqa: INP001, T201, S314 - a script; the reports are our own
"""Sum the test reports of all tiers up in one line, as pytest writes it; exit 1 if a tier failed."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

folder, seconds = Path(sys.argv[1]), sys.argv[2]
counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
for report in sorted(folder.glob("*.xml")):
    for suite in ET.parse(report).getroot().iter("testsuite"):
        for name in counts:
            counts[name] += int(suite.get(name, 0))
failed_file = folder / "failed"
failed = failed_file.read_text(encoding="utf-8").split() if failed_file.exists() else []
print(f"\ntiers that failed: {', '.join(failed) or 'none'}")

passed = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
parts = [
    (counts["failures"], "failed"),
    (passed, "passed"),
    (counts["skipped"], "skipped"),
    (counts["errors"], "errors"),
]
if len(failed) > bool(counts["failures"] or counts["errors"]):
    parts.append((len(failed), "failed tiers"))
line = ", ".join(f"{count} {word}" for count, word in parts if count)
print(f" {line} in {seconds}.00s ".center(80, "="))
sys.exit(1 if failed else 0)
