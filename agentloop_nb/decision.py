"""A decision: why, and which action. Parsed once, at the boundary, from whatever a model wrote."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import SerializeAsAny, ValidationError, field_validator

from agentloop_nb._internal.thoughts import decision_in, objects
from agentloop_nb.actions import BY_NAME, Action
from agentloop_nb.actions.action import DEFAULT_TIMEOUT
from agentloop_nb.actions.own import OwnAction, known
from agentloop_nb.errors import DecisionError
from agentloop_nb.protocols import Value

_FENCE = re.compile(r"```(?:json)?[ \t\r]*\n(.*?)```", re.DOTALL)
_KEYS = {"reasoning", "action", "input"}
_ALIASES = {"database_query": "query"}
"""Other names of actions, which are understood."""


class Decision(Value):
    """One structured decision of the model."""

    reasoning: str
    action: SerializeAsAny[Action]

    @field_validator("action", mode="before")
    @classmethod
    def _from_record(cls, value: Any) -> Any:
        """Rebuild the action of a recorded decision: `{"name": ..., **fields}`."""
        if isinstance(value, dict):
            fields = dict(value)
            name, own = fields.pop("name"), fields.pop("own", False)
            kind = known(name) if own and name not in BY_NAME else BY_NAME[name]
            return kind.model_validate(fields, context={"timeout": fields.get("timeout") or 30})
        return value

    def record(self) -> dict[str, Any]:
        """Return the decision in the shape it is asked for: `{"reasoning", "action": {"name", **fields}}`."""
        own = {"own": True} if isinstance(self.action, OwnAction) else {}
        return {
            "reasoning": self.reasoning,
            "action": {"name": self.action.name, **own, **self.action.model_dump(mode="json", exclude_unset=bool(own))},
        }


def parse(
    text: str,
    *,
    timeout: int = DEFAULT_TIMEOUT,
    final: bool = False,
    again: bool = False,
    actions: Iterable[type[Action]] = (),
) -> Decision:
    """Read a decision from a model's reply. Raises `DecisionError` in words a model can act on.

    Understood without a round trip: the asked shape `{"reasoning", "action": {"name", ...}}`, the original's
    `{"action": "run_code", "reasoning", "input": {...}}`, code fences, thoughts and prose around the JSON, and raw line
    breaks inside strings. `timeout` is the default of a code step in seconds; `final` allows only `finish`.
    Code of a record, which runs `again`, may take as long as that says.
    `actions` are those of the run; left out, all that come with this package.
    """
    data = _object(text)
    offered = {action.name: action for action in actions} or BY_NAME
    name, fields = _name_and_fields(data, offered)
    name = name if name in offered else _ALIASES.get(name, name)
    action_class = offered.get(name)
    if action_class is None:
        raise DecisionError(_unknown_action(name, offered))
    if final and name != "finish":
        raise DecisionError(f"this is the last step: only 'finish' is allowed, not {name!r}. Sum up what was achieved.")
    if issubclass(action_class, OwnAction):
        fields.pop("own", None)  # a replayed decision says whose it is
    reasoning = data.get("reasoning")
    if not isinstance(reasoning, str) or not reasoning.strip():
        raise DecisionError('"reasoning" is missing or empty: say in a sentence why you take this action.')
    if extra := data.keys() - _KEYS:
        raise DecisionError(f"unexpected keys {sorted(extra)}: a decision has only reasoning and action.")
    try:
        action = action_class.model_validate(fields, context={"timeout": timeout, "again": again})
    except ValidationError as error:
        raise DecisionError(_explain(action_class, error)) from error
    return Decision(reasoning=reasoning, action=action)


def _object(text: str) -> dict[str, Any]:
    if not text.strip():
        raise DecisionError("the reply was empty: answer with one JSON object.")
    for candidate in _candidates(text):
        try:
            data = json.loads(candidate, strict=False)  # strict=False: raw line breaks inside strings
        except (ValueError, RecursionError):  # ValueError: also a number of more than 4300 digits
            continue
        if isinstance(data, list) and len(data) == 1:
            data = data[0]
        if isinstance(data, str) and text.lstrip().startswith('"'):  # the object, written as a string of JSON
            data = next((found.data for found in objects(data)), None)
        if isinstance(data, dict):
            return data
    raise DecisionError(f"the reply is not one valid JSON object ({_syntax_error(text)}).")


def _candidates(text: str) -> Iterator[str]:
    """Yield the whole text, then the decision in thoughts and prose, a code fence, and from first brace to last."""
    yield text.strip().removeprefix("\ufeff")
    if (found := decision_in(text)) is not None:
        yield text[found.start : found.end]
    yield from _FENCE.findall(text)
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        yield text[start : end + 1]


def _syntax_error(text: str) -> str:
    start = max(text.find("{"), 0)
    try:
        json.loads(text[start:].strip(), strict=False)
    except RecursionError:
        return "nested too deeply"
    except json.JSONDecodeError as error:
        near = text[start:].strip()[max(error.pos - 20, 0) : error.pos + 20]
        return f"{error.msg} at character {error.pos}, near {near!r}"
    except ValueError as error:
        return str(error)
    return "not an object"


def _name_and_fields(data: dict[str, Any], known: Mapping[str, type[Action]]) -> tuple[str, dict[str, Any]]:
    action = data.get("action")
    if isinstance(action, str) and action.lstrip().startswith("{"):  # an object written as a string, as Claude does
        action = next((found.data for found in objects(action)), action)
    if isinstance(action, str):
        fields = data.get("input", {})
        if not isinstance(fields, dict):
            raise DecisionError(f'"input" must be an object with the fields of {action!r}.')
        return action, fields
    if isinstance(action, dict):
        fields = dict(action)
        name = fields.pop("name", None)
        if isinstance(name, str):
            return name, fields
        raise DecisionError(f'"action" has no "name"; the actions are {", ".join(known)}.')
    raise DecisionError(f'"action" is missing; it is an object with a "name", one of {", ".join(known)}.')


def _unknown_action(name: str, known: Mapping[str, type[Action]]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"there is no action {name!r}{hint} The actions are {', '.join(known)}."


def _explain(action: type[Action], error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_url=False):
        field = ".".join(map(str, item["loc"])) or "input"
        problems.append(f"{field}: {item['msg'].lower()}")
    known = ", ".join(action.model_fields)
    return f"the fields of {action.name!r} are wrong: {'; '.join(problems)}. Its fields are {known}."
