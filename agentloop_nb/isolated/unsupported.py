"""A value that cannot be handed over."""

from __future__ import annotations


class Refused(Exception):
    """A value cannot be handed over as data. The message says why."""


GONE = "it is not there any more"
"""Why a name that is bound to nothing is not handed over."""
