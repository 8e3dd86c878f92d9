"""Names that functions of the user's, and their parameters, may have."""

from __future__ import annotations

import builtins
import keyword
import unicodedata

LONGEST_NAME = 100
"""Characters of a name that a person is shown whole."""


def is_function_name(name: str) -> bool:
    """Whether a function of the user's can have a name: none of Python's own."""
    return is_plain_name(name) and not name.startswith("__") and not hasattr(builtins, name)


def is_parameter_name(name: str) -> bool:
    """Whether a parameter that a model fills in can have a name."""
    return is_plain_name(name) and not name.startswith("_")


def is_plain_name(name: str) -> bool:
    """Whether a name is one in Python as it is written, and short enough to be shown."""
    same = unicodedata.normalize("NFKC", name) == name
    return name.isidentifier() and not keyword.iskeyword(name) and same and len(name) <= LONGEST_NAME
