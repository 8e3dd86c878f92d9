"""Whether Python runs inside a browser (Pyodide, JupyterLite), where nobody can start a thread or a process."""

from __future__ import annotations

import sys
import time

IN_BROWSER = sys.platform == "emscripten"
thread_time = getattr(time, "thread_time", time.process_time)
"""Seconds of work done by the calling thread; in a browser there is only one."""
