# ruff: noqa: INP001, T201
"""Tell what pip-audit found, and about how many packages it could ask at all; exit 1 for a known vulnerability."""

import json
import sys
from pathlib import Path

packages = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["dependencies"]
asked = [package for package in packages if "skip_reason" not in package]
print(f"{len(asked)} of {len(packages)} packages could be looked up")
if not asked:
    print("the package index here tells no advisories, so nothing was audited")
vulnerable = [package for package in asked if package["vulns"]]
for package in vulnerable:
    print(package["name"], package["version"], ", ".join(each["id"] for each in package["vulns"]))
sys.exit(1 if vulnerable else 0)
