"""What the web and the tools of servers answered in a recorded run, for a replay to get again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from agentloop_nb.actions import Action, ReadUrl, SearchWeb, UseTool
from agentloop_nb.errors import ActionFailed
from agentloop_nb.protocols import Page, SearchHit, ToolAnswer
from agentloop_nb.record.replay_data import Brought, Recorded


class _Answers:
    """Answers from a record: the same question gets its answers in the order they came."""

    def __init__(self, decisions: Sequence[Recorded], position: int = 0) -> None:
        """Begin with the answers that followed the first `position` decisions."""
        self._answers: dict[tuple[str, str], list[Brought]] = defaultdict(list)
        for question, answer in _answered(decisions):
            self._answers[question].append(answer)
        for question, _ in _answered(decisions[:position]):
            self._take(question)

    def _answer(self, kind: str, key: str) -> Brought:
        if (kind, key) not in self._answers:
            where = "servers" if kind == "tool" else "the web"
            raise ActionFailed(f"nothing was recorded for {key!r}, and a replayed run asks {where} only with --live")
        answer = self._take((kind, key))
        if answer.error is not None:
            raise ActionFailed(answer.error)
        return answer

    def _take(self, question: tuple[str, str]) -> Brought:
        """Return the next answer; the last one stays."""
        answers = self._answers[question]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class RecordedWeb(_Answers):
    """Searches and pages of a record."""

    async def search(self, query: str, num_results: int) -> Sequence[SearchHit]:
        """Return the hits of the record. Raises `ActionFailed` if this was never searched."""
        return (self._answer("search", query).hits or ())[:num_results]

    async def read(self, url: str, max_length: int) -> Page:
        """Return the page of the record. Raises `ActionFailed` if it was never read."""
        page = self._answer("read", url).page
        if page is None:
            raise ActionFailed(f"the record holds no text of {url!r}")
        if len(page.text) > max_length:
            return page.model_copy(update={"text": page.text[:max_length], "truncated": True})
        return page


class RecordedTools(_Answers):
    """Answers of tools of a record."""

    @property
    def offered(self) -> bool:
        return any(kind == "tool" for kind, _ in self._answers)

    def describe(self, room: int) -> str:
        """Tell nothing: the decisions are made."""
        return ""

    async def call(self, tool: str, arguments: str, timeout: float) -> ToolAnswer:
        """Return what the tool answered. Raises `ActionFailed` if it was never called like this."""
        answer = self._answer("tool", f"{tool} {arguments}").tool
        if answer is None:
            raise ActionFailed(f"the record holds no answer of {tool!r}")
        return answer

    async def close(self) -> None:
        """Nothing was started."""


def _answered(decisions: Iterable[Recorded]) -> Iterator[tuple[tuple[str, str], Brought]]:
    """Yield what the web and tools were asked, and what they answered, in order."""
    for each in decisions:
        for part, answer in each.answers():
            if question := question_of(part):
                yield question, answer


def question_of(action: Action) -> tuple[str, str] | None:
    """Return what an action asks the web or a tool: the kind and the words."""
    match action:
        case SearchWeb(query=query):
            return "search", query
        case ReadUrl(url=url):
            return "read", url
        case UseTool(tool=tool, arguments=arguments):
            return "tool", f"{tool} {arguments}"
        case _:
            return None
