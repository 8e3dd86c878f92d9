"""The effects of a step, typed: what it did and brought beside its output, and what became of it."""

from __future__ import annotations

import keyword
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator, model_serializer

from agentloop_nb.protocols import CodeError, Document, Output, Page, SearchHit, ToolAnswer, Usage, Value, WrittenFile


def _texts(value: Any) -> Any:
    """Take what stands for a text in a record as one: a record may be anybody's."""
    return tuple(map(str, value)) if isinstance(value, list | tuple) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Ground(Value):
    """What stands behind one claim of a summary."""

    claim: str
    step: int
    """The step that showed it; 0 for the goal, and for what was there before the run."""
    how: Literal["shown", "value", "derived"]


class Answer(Value):
    """What came of a question."""

    text: str
    by: Literal["typed", "choice", "default", "record"]
    """The person's own words; one of the model's choices; its default; what the record of a replayed run says."""
    why: str = ""
    """Why the default was taken."""


class OwnCall(Value):
    """A call of a function of the user's."""

    code: str
    """What was run."""
    reaches: str = ""
    """What it reads or writes outside the kernel: `reads web and writes mail`."""
    kept: str = ""
    """What it brought from there, as source that makes it again; empty where that is no plain value."""
    from_record: bool = False
    """It was not called: this is what a record says it brought."""


class Queried(Value):
    """What a query went to."""

    duckdb: bool = False
    """Its source is a connection of DuckDB's."""
    doubled: bool = False
    """Its source is SQLAlchemy's over a driver that wants percent signs twice."""
    answer: str = ""
    """What a database outside the kernel answered, as source that makes it again."""
    kept: str = ""
    """What a database in the kernel answered, as such source: a replay needs it, an export asks again."""
    tables: Texts = ()
    """Variables that it read as tables."""
    files: Texts = ()
    """Files that it read."""


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Keep what is a name in code: a record may be anybody's."""
    if wrong := next((name for name in names if not name.isidentifier() or keyword.iskeyword(name)), None):
        raise ValueError(f"{wrong[:60]!r} is no name of a variable")
    return names


Names = Annotated[Texts, AfterValidator(_names)]


class ChildCell(Value):
    """A cell that does a step of a delegated part again."""

    cell_type: Literal["code", "markdown"]
    source: str
    outputs: tuple[Output, ...] = ()
    tags: Texts = ()
    unchecked: str = ""

    @field_validator("outputs")
    @classmethod
    def _have_a_type(cls, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        if not all(isinstance(output.get("output_type"), str) for output in outputs):
            raise ValueError("an output is none of a notebook's")
        return outputs


class Child(Value):
    """What came of a part that was delegated."""

    run: str = ""
    """The id of its run; empty where none could begin."""
    status: str
    reason: str = ""
    """Why it was not done."""
    summary: str = ""
    steps: int = 0
    cost: Annotated[Decimal, Field(ge=0, le=10**9)] = Decimal(0)
    cost_known: bool = True
    usage: Usage = Usage()
    brought: Names = ()
    """Names of its results that were bound."""
    files: tuple[WrittenFile, ...] = ()
    """Files of its own folder that were put into its parent's."""
    refused: dict[str, str] = {}
    """Names of results that could not be brought, with the reason."""
    kept: Names = ()
    """Names of the parent's that its code changes, in a namespace of its own."""
    copied: Names = ()
    """Those of them that it was given a copy of."""
    purposes: Texts = ()
    """A line for each of its steps."""
    cells: tuple[ChildCell, ...] = ()
    """The cells that do its steps again."""


class Effects(Value):
    """What a step did and brought beside its output. In a record only what is there is written, under `metadata`."""

    model_config = ConfigDict(populate_by_name=True)

    error: CodeError | None = None
    """Where failed code failed."""
    files_written: Texts = Field((), alias="files")
    """Files of the working folder that code made or changed, relative to it."""
    files_read: Texts = Field((), alias="read")
    """Files of the working folder that code opened for reading, relative to it."""
    replaced: dict[str, dict[str, str]] = {}
    """Files of the folder that code overwrote or deleted, as they were before: `text`, or `base64` of what is none."""
    external: Texts = Field((), alias="beyond")
    """What code was seen to do that nothing can take back: `started git push`."""
    notes: Texts = ()
    """Quiet remarks for the model and the card."""
    file: WrittenFile | None = None
    """What `write_file` wrote."""
    hits: tuple[SearchHit, ...] | None = None
    """What a search found."""
    page: Page | None = None
    """What a page held."""
    document: Document | None = None
    """What a file held."""
    parts: tuple[dict[str, Any], ...] = ()
    """What each part of a composite action brought: results, as JSON values."""
    children: tuple[Child, ...] = ()
    """What came of the parts that were delegated."""
    own: OwnCall | None = None
    query: Queried | None = None
    tool: ToolAnswer | None = None
    """What a tool of a server answered."""
    answer: Answer | None = None
    """What a question was answered."""
    artifacts: Texts | None = None
    """Names that a finish lists and that are files."""
    dropped: Texts = ()
    """Names that a finish lists and that are none."""
    grounds: tuple[Ground, ...] = ()
    """What stands behind the claims of a finish."""
    doubts: Texts = ()
    """What speaks against a finish that the model insists on, a sentence each."""
    objections: Texts = ()
    """What speaks against a finish that was not accepted, a sentence each."""
    work: bool = False
    """An objection says that something is left to do."""
    unmet: Texts = ()
    """Expressions of the contract that do not hold; the finish was refused."""
    over: bool = False
    """A finish was refused for the last time."""
    hint: str = ""
    """What the model is told to try."""
    again: str = ""
    """What the model is told about a repetition."""
    repeated: int = 0
    """It was not carried out, because it is the same as in this step."""
    offline: bool = False
    """There is no network."""
    cut_off: bool = False
    """The kernel died in the middle of it."""
    not_kept: int = 0
    """Characters of its outputs that the record does not hold."""

    @property
    def all_files(self) -> tuple[str, ...]:
        """The files that were written, by code, by `write_file` and by parts that were delegated."""
        return (*self.files_written, *(file.path for file in self.placed))

    @property
    def placed(self) -> tuple[WrittenFile, ...]:
        """The files that were put into the folder whole, each of which can be taken back."""
        brought = tuple(file for child in self.children for file in child.files)
        return brought if self.file is None else (self.file, *brought)

    @model_serializer
    def _recorded(self) -> dict[str, Any]:
        fields = type(self).model_fields
        there = {name: value for name in fields if (value := getattr(self, name)) != fields[name].default}
        return {fields[name].alias or name: value for name, value in there.items()} | (self.model_extra or {})


NO_EFFECTS = Effects()
