"""Fuzz one target, guided by the coverage it reaches: `python -m tests.safety.fuzz decision -max_total_time=300`.

Needs `pip install atheris` (on Python 3.11 and later, Linux). What follows the target goes to libFuzzer. `growth
[SIZE]` instead takes the time of ever the same fragment, over and over, and prints what takes longest.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path


def fuzz(name: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["agentloop_nb"]):
        from tests.safety.fuzz.targets import SEEDS, TARGETS
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=4096", f"-artifact_prefix={corpus.parent}/{name}-"]
    atheris.Setup([sys.argv[0], *limits, *arguments, str(corpus)], TARGETS[name])
    atheris.Fuzz()


def growth(size: int) -> None:
    from tests.safety.fuzz.targets import TARGETS, repeated

    for name, target in TARGETS.items():
        lasted = []
        for data in repeated(size):
            began = time.perf_counter()
            target(data)
            lasted.append((time.perf_counter() - began, data[:8], data[-8:]))
        slowest = sorted(lasted, reverse=True)[:3]
        print(name, *(f"{seconds:.2f} s {first!r}...{last!r}" for seconds, first, last in slowest), sep="\n    ")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "growth":
        growth(int(sys.argv[2]) if len(sys.argv) > 2 else 20_000)
    elif len(sys.argv) > 1:
        fuzz(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(__doc__)
