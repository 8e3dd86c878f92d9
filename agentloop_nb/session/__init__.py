"""A session: the parts of one run put together, from settings to the handle that its user gets."""

from agentloop_nb.session.begin import NewRun, Part, begin
from agentloop_nb.session.continuation import RecordedRun
from agentloop_nb.session.fork import fork
from agentloop_nb.session.resume import resume
from agentloop_nb.session.session import Session

__all__ = ["NewRun", "Part", "RecordedRun", "Session", "begin", "fork", "resume"]
