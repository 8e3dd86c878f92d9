"""Named loggers that somebody has set up: their levels and handlers, and whether they pass on."""

from __future__ import annotations

import logging
from typing import NamedTuple


class SetUp(NamedTuple):
    """How a logger is set up."""

    level: int = logging.NOTSET
    handlers: tuple[logging.Handler, ...] = ()
    propagate: bool = True
    disabled: bool = False


def read() -> dict[str, SetUp]:
    """Return the loggers that are not as they are made, by name; a library's empty handler is no change."""
    loggers = logging.root.manager.loggerDict.copy()
    known = {
        name: _set_up(each) for name, each in loggers.items() if isinstance(each, logging.Logger) and _differs(each)
    }
    return {name: each for name, each in known.items() if each != SetUp()}


def _differs(logger: logging.Logger) -> bool:
    """Whether a logger may be set up: most are as they were made, and each is asked before and after a step."""
    return bool(logger.level or logger.handlers or not logger.propagate or logger.disabled)


def _set_up(logger: logging.Logger) -> SetUp:
    handlers = tuple(each for each in logger.handlers if type(each) is not logging.NullHandler)
    return SetUp(logger.level, handlers, logger.propagate, logger.disabled)


def write(name: str, value: SetUp | None) -> None:
    """Set a logger up; None makes it as new."""
    logger, wanted = logging.getLogger(name), value or SetUp()
    logger.setLevel(wanted.level)
    logger.handlers[:] = wanted.handlers
    logger.propagate, logger.disabled = wanted.propagate, wanted.disabled
