"""Why a query is not carried out."""

from __future__ import annotations


class QueryRefused(Exception):
    """A query that is not carried out, with what to do instead."""


WRITING = "only one SELECT is carried out here; to write or to change settings, use run_code"
