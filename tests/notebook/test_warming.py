"""What a run needs is imported in the background, and a command waits for it."""

from __future__ import annotations

import subprocess
import sys

TWO_SIDES = """
import sys
from agentloop_nb.notebook import warming
warming.begin()
warming.wait()
print("agentloop_nb.notebook.run_manager" in sys.modules)
import agentloop_nb.export.embedded_data, agentloop_nb.notebook.isolation.placement
"""


def test_a_command_typed_at_once_meets_whole_modules():
    done = subprocess.run([sys.executable, "-c", TWO_SIDES], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
