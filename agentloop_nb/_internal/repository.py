"""Name the project's public repository: the one place that its links are made from."""

from __future__ import annotations

REPOSITORY = ""
"""`OWNER/NAME` on GitHub. While it is empty there is no public address, and every link that needs one is left out."""
