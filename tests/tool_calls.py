"""Replies of a scripted model server that call the tools of an agent nobody here wrote."""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.wire import Answer

_numbers = itertools.count(1)


def tool_call(name: str, **arguments: Any) -> Answer:
    """The model calls a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"call_{next(_numbers)}", "type": "function", "function": function}
    return _completion({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")


def last_word(text: str) -> Answer:
    """The model says something, and is done."""
    return _completion({"role": "assistant", "content": text}, "stop")


def _completion(message: dict[str, Any], reason: str) -> Answer:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted"}
    return Answer(status=200, body={**body, "choices": [choice], "usage": usage})
