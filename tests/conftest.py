"""What all tests share: the key that signs records is one of their own, not the user's."""

from __future__ import annotations

import os

from agentloop_nb._internal.held_folder import HeldFolder

_DATA = HeldFolder("data")
os.environ["XDG_DATA_HOME"] = _DATA.name  # before any kernel is started, so that all of them sign alike
