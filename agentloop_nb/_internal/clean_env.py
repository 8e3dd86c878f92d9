"""The environment of a process that must not see the user's own: no key, no setting, no secret, another home."""

from __future__ import annotations

import os
import site
from pathlib import Path

from agentloop_nb._internal.paths import from_home

_KEPT = {
    *("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR"),
    *("CONDA_PREFIX", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "NUMBER_OF_PROCESSORS"),
    *("XDG_CACHE_HOME", "MPLCONFIGDIR", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
}
"""Variables that say where things are installed; all others are the user's own, and stay out."""


def plain_environment(home: Path) -> dict[str, str]:
    """Return the variables that say where things are installed, and another home."""
    kept = {name: value for name, value in os.environ.items() if name.upper() in _KEPT or name.startswith("LC_")}
    cache = from_home("~/.cache")
    return kept | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "IPYTHONDIR": str(home / ".ipython"),
        "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or cache,
        "PYTHONUSERBASE": site.getuserbase(),
    }
