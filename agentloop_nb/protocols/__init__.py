"""The seams of the loop: the `Model` and `Workspace` protocols, and the values that cross them."""

from __future__ import annotations

from agentloop_nb.protocols.model import (
    Delta,
    Image,
    Measurable,
    Message,
    Model,
    ModelReply,
    ModelRequest,
    Sized,
    Unprompted,
    Usage,
    WritesCells,
)
from agentloop_nb.protocols.outcomes import (
    Change,
    Check,
    CodeError,
    CodeOutcome,
    CodeRan,
    Document,
    Page,
    SearchHit,
    ToolAnswer,
    Undone,
    WrittenFile,
)
from agentloop_nb.protocols.value import OnOutput, Output, Privacy, Value
from agentloop_nb.protocols.workspace import Equipped, Remembering, Tools, Undoing, Web, Workspace

__all__ = [
    "Change",
    "Check",
    "CodeError",
    "CodeOutcome",
    "CodeRan",
    "Delta",
    "Document",
    "Equipped",
    "Image",
    "Measurable",
    "Message",
    "Model",
    "ModelReply",
    "ModelRequest",
    "OnOutput",
    "Output",
    "Page",
    "Privacy",
    "Remembering",
    "SearchHit",
    "Sized",
    "ToolAnswer",
    "Tools",
    "Undoing",
    "Undone",
    "Unprompted",
    "Usage",
    "Value",
    "Web",
    "Workspace",
    "WritesCells",
    "WrittenFile",
]
