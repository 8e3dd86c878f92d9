"""The action `ask_user`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from agentloop_nb._internal.markup import harmless
from agentloop_nb.actions.action import Action, ActionResult, Cell, markdown_cell
from agentloop_nb.actions.effects import Answer, Effects
from agentloop_nb.protocols import OnOutput, Workspace

NOBODY = "nobody is there to answer"
MOST_CHOICES = 8
"""Choices that are shown of one question."""


class AskUser(Action):
    """Ask the person, only where two readings of the goal differ in their result, or before what costs or is final."""

    icon = "🙋"
    title_field = "question"

    question: str = Field(min_length=1)
    """One sentence."""
    choices: tuple[str, ...] = ()
    """Short answers."""
    default: str = Field(min_length=1)
    """What holds if nobody answers."""

    @field_validator("question", "default", mode="before")
    @classmethod
    def _blank_is_nothing(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("choices", mode="before")
    @classmethod
    def _few_different_ones(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return () if value is None else value
        return tuple(dict.fromkeys(each.strip() for each in map(str, value) if each.strip()))[:MOST_CHOICES]

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person may type for each choice: numbers, or letters where a choice is a number itself."""
        letters = any(choice.isdigit() for choice in self.choices)
        return tuple(chr(ord("a") + at) if letters else str(at + 1) for at in range(len(self.choices)))

    def understood(self, words: str) -> Answer:
        """Tell a choice, in full or by its label, from the person's own words; nothing typed is the default."""
        words = words.strip()
        if not words:
            return Answer(text=self.default, by="choice")
        named = dict(zip(self.labels, self.choices, strict=True))
        named |= {choice.casefold(): choice for choice in (*self.choices, self.default)}
        found = named.get(words.casefold())
        return Answer(text=words, by="typed") if found is None else Answer(text=found, by="choice")

    def unanswered(self, why: str) -> Answer:
        """Take the default, and say why."""
        return Answer(text=self.default, by="default", why=why)

    def result(self, answer: Answer) -> ActionResult:
        """Return what the model is told of an answer."""
        told = f"The person answered: {answer.text}"
        if answer.by == "default":
            told = f"Your default holds, because {answer.why}: {answer.text}"
        return ActionResult(success=True, output=told, effects=Effects(answer=answer))

    async def perform(self, workspace: Workspace, *, step: int, on_output: OnOutput) -> ActionResult:
        """Take the default: a place of actions has nobody in it. The loop asks whoever is there instead."""
        return self.result(self.unanswered(NOBODY))

    def cells(self, result: ActionResult, step: int) -> list[Cell]:
        told = [f"**Question**\n\n{_quoted(self.question)}"]
        told += [_quoted("\n".join(f"- {choice}" for choice in self.choices))] if self.choices else []
        answer = result.effects.answer
        if answer is None:
            return [markdown_cell("\n>\n".join([*told, f"> *{harmless(str(result.error))}*"]))]
        heads = {"typed": "in the person's words", "choice": "by choosing", "record": "as recorded"}
        how = heads.get(answer.by, f"by default, because {answer.why}")
        answered = f"**Answer** *({harmless(how)})*\n\n{_quoted(answer.text)}"
        return [markdown_cell("\n>\n".join(told) + f"\n\n{answered}")]


def _quoted(text: str) -> str:
    return "\n".join(f"> {harmless(line)}".rstrip() for line in text.strip().splitlines())
