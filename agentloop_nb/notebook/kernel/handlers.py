"""Signal handlers as the system keeps them.

`signal` looks each handler up in an enumeration, in vain for a function, which takes longer than all the rest.
"""

from __future__ import annotations

import importlib
from typing import Any

_plain: Any = importlib.import_module("_signal")

handler_of = _plain.getsignal
"""Returns the handler of a signal."""
set_handler = _plain.signal
"""Sets the handler of a signal, and returns the one before."""
