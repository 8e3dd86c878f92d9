# ruff: noqa: INP001, T201, S314 - a script; the reports are our own
"""Sum the test reports of all tiers up in one line, as pytest writes it; exit 1 if a tier failed.

`summary.py FOLDER SECONDS` sums up; `summary.py few REPORT` exits 1 unless a report has only a few failures.
A test that failed beside others and passed when it ran again alone counts as passed, and is named.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

FEW = 3
"""More failures than that, in one tier or in all, are no matter of a busy machine."""


def cases(report: Path) -> dict[str, str]:
    """Return how each test of a report went: passed, failed, errors or skipped."""
    kinds = {"failure": "failed", "error": "errors", "skipped": "skipped"}
    found = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        ended = next((kinds[child.tag] for child in case if child.tag in kinds), "passed")
        found[f"{case.get('classname')}::{case.get('name')}"] = ended
    return found


def failures(ended: dict[str, str]) -> list[str]:
    """Return the tests that did not pass."""
    return [name for name, how in ended.items() if how in ("failed", "errors")]


def few(report: Path) -> int:
    """Tell which tests failed; 1 if they are more than a few."""
    failed = failures(cases(report))
    print(f"failed: {', '.join(failed)}")
    return int(len(failed) > FEW)


def total(folder: Path, seconds: str) -> int:
    """Sum up; 1 if a tier failed."""
    counts = dict.fromkeys(("failed", "passed", "skipped", "errors"), 0)
    unsteady = list[str]()
    for report in sorted(folder.glob("*.xml")):
        if report.stem.endswith("-again"):
            continue
        first, second = cases(report), report.with_name(f"{report.stem}-again.xml")
        ended = first | (cases(second) if second.exists() else {})
        for how in ended.values():
            counts[how] += 1
        unsteady += (f"{report.stem} {name}" for name in set(failures(first)) - set(failures(ended)))
    failed_file = folder / "failed"
    failed = failed_file.read_text(encoding="utf-8").split() if failed_file.exists() else []
    if len(unsteady) > FEW:
        failed.append("steadiness")
    print(f"\ntests that failed once and passed alone: {len(unsteady)} (at most {FEW})", *unsteady, sep="\n  ")
    print(f"tiers that failed: {', '.join(failed) or 'none'}")
    parts = [(count, word) for word, count in counts.items()]
    if len(failed) > bool(counts["failed"] or counts["errors"]):
        parts.append((len(failed), "failed tiers"))
    line = ", ".join(f"{count} {word}" for count, word in parts if count)
    print(f" {line} in {seconds}.00s ".center(80, "="))
    return int(bool(failed))


sys.exit(few(Path(sys.argv[2])) if sys.argv[1] == "few" else total(Path(sys.argv[1]), sys.argv[2]))
