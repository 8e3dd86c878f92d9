"""`python -m agentloop_nb "GOAL"`: the same as `agentloop "GOAL"`."""

from __future__ import annotations

import sys

from agentloop_nb.cli import main

sys.exit(main())
