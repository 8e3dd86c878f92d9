"""Look our dependencies up in the public list of known holes: `python -m tests.safety.audit`, with pip-audit installed.

Ends with 1 when a dependency has a known hole; with 0 when none has, or when the list is out of reach, which it says.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from tests.safety.test_supply import requirements

UNREACHABLE = (
    "ConnectionError",
    "Max retries",
    "NameResolution",
    "timed out",
    "ServiceError",
    "ProxyError",
    "HTTPError",
)


def main() -> int:
    names = sorted(requirements("agentloop-nb", set()) - {"agentloop-nb"})
    pins = "\n".join(f"{name}=={metadata.version(name)}" for name in names)
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "pins.txt"
        listing.write_text(pins)
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "-r", str(listing), "-f", "json"]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(done.stderr[-2000:])
        unreachable = any(word in done.stderr for word in UNREACHABLE)
        print("NOT CHECKED: the list of known holes could not be reached." if unreachable else "pip-audit failed.")
        return 0 if unreachable else 2
    holes = [f"{item['name']} {item['version']}: {hole['id']}" for item in found for hole in item.get("vulns", ())]
    print("\n".join(holes) or f"{len(found)} dependencies, no known hole.")
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main())
