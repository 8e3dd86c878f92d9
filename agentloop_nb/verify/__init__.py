"""Verification: an exported notebook is run in a fresh kernel, and everything it shows is compared with the record.

The first verification certifies: it marks what cannot be compared, writes the verdict into the notebook and seals it.
Later ones only check.
"""

from __future__ import annotations

from pathlib import Path

from agentloop_nb._internal.paths import typed_path
from agentloop_nb.verify.verdict import Verdict

__all__ = ["Verdict", "verify"]


def verify(path: str | Path, *, timeout: int = 600, own: bool = False) -> Verdict:
    """Run an exported notebook and compare its outputs. Raises `UserError` if it is none.

    `timeout` is in seconds for each cell. Works inside a running event loop too, and ends at once when interrupted.
    Only of a run of one's `own`, plain files that it reads elsewhere become inputs of the notebook.
    """
    from agentloop_nb.verify.certify import Certifier

    return Certifier(typed_path(path), timeout, own=own).verdict()
