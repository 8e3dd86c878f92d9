"""Code that may not wait for a person: what would read a line from one raises at once."""

from __future__ import annotations

import builtins
import getpass
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from agentloop_nb.notebook.kernel.capture import patch


class NobodyIsAsked(EOFError):
    """Code asked a person to type something where nobody is asked."""

    __module__ = "builtins"  # shown by its bare name


@contextmanager
def unattended() -> Iterator[None]:
    """Have `input()`, `getpass()` and `breakpoint()` raise."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        __tracebackhide__ = True
        raise NobodyIsAsked("a contract waits for nobody to type something")

    with ExitStack() as stack:
        patch(stack, builtins, "input", refuse)
        patch(stack, getpass, "getpass", refuse)
        patch(stack, sys, "breakpointhook", refuse)
        yield
