"""What a run needs is imported in the background, and a command waits for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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


TAB = """
import sys
from types import SimpleNamespace
from agentloop_nb.notebook import warming
from agentloop_nb.notebook.extension import _matcher
warming.begin()
match = _matcher(None)
typed = SimpleNamespace(line_with_cursor="%agent res", cursor_position=10)
print([each.text for each in match(typed)["completions"]], "agentloop_nb.notebook.run_manager" in sys.modules)
"""


def test_a_tab_typed_at_once_meets_whole_modules():
    done = subprocess.run([sys.executable, "-c", TAB], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("['resume', 'restore'] True\n", "")


FORKED = """
import os, sys
from agentloop_nb.notebook import warming
warming.begin()
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
warming.wait()
warming.wait_for_all()
os._exit(7)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_a_thread_that_it_lacks():
    assert subprocess.run([sys.executable, "-c", FORKED], check=False, timeout=200).returncode == 7
