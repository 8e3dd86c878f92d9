"""Run inside the fresh kernel's process, before IPython: no network, no files of the user's, none of this package.

Where the system can seal the process off, it does, and what is asked for in vain is noted. Elsewhere Python itself
refuses it. Notes are appended to a log, one JSON line each, so that the verdict can name them.
Started as `python -c <this source> -f CONNECTION_FILE`.
"""

import importlib.util
import json
import os
import runpy
import sys
from types import ModuleType


def part(path: str) -> ModuleType:
    """Load a file that lies beside this one; the package itself is not there."""
    spec = importlib.util.spec_from_file_location("_agentloop_" + os.path.basename(path)[:-3], path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


with open(os.environ.pop("AGENTLOOP_JAIL"), encoding="utf-8") as file:
    settings = json.load(file)
os.environ.pop("JPY_PARENT_PID", None)  # of a process that is not seen from here
watch = part(settings["watch"])
how = "watched"
if sys.platform != "win32":
    namespaces = part(settings["namespaces"])
    if sys.platform.startswith("linux"):
        namespaces.die_with_parent()
    settings["environment"] = [*settings["environment"], *namespaces.environment()]
    settings["hidden"] = [*settings["hidden"], *namespaces.HIDDEN]
    view = settings["view"] | {"places": settings["environment"], "hidden": settings["hidden"]}
    if "namespaces" in settings["means"] and namespaces.enter(view):
        how = "namespaces"
    elif "landlock" in settings["means"] and not settings["open"]:
        readable = [*settings["environment"], *settings["given"]]
        how = "landlock" if namespaces.restrict(readable, [settings["root"]]) else how
settings["how"] = how
with open(settings["children"], "w", encoding="utf-8") as file:
    json.dump(settings, file)
if how != "namespaces":  # a Python that is started from here is watched in the same way
    os.environ["PYTHONPATH"] = os.path.dirname(settings["children"])
sys.modules["agentloop_nb"] = None  # type: ignore[assignment]  # importing it fails, as where it is not installed
watch.install(settings)
watch.note("how", how)
runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
