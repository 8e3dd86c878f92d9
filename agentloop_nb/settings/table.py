"""The table of settings: one row each.

A row says all there is to say about a setting. Flags, environment names, the traits of `%config`, help, the tables of
the docs and what a resumed run keeps come from it. It holds rows and nothing else, so it may be long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agentloop_nb.settings import convert
from agentloop_nb.settings.row import ROWS, Setting, row, typed

if TYPE_CHECKING:
    from decimal import Decimal

    from agentloop_nb.protocols import Privacy

Approve = Literal["auto", "code", "all"]
Adopt = Literal["ask", "best", "none"]
Questions = Literal["never", "few"]
Effort = Literal["low", "medium", "high"]


@typed
class Rows:
    """Name, type, default and row of each setting."""

    model: str = row(
        "gpt-4o-mini",
        convert.TEXT,
        "the model, `provider:model`; also `replay:PATH` and `demo`",
        flags=("-m", "--model"),
        value="MODEL",
        environment="OPENAI_MODEL",
        example="ollama:qwen3",
        kept=True,
    )
    base_url: str | None = row(
        None,
        convert.TEXT,
        "address of an OpenAI-compatible server",
        flags=("--base-url",),
        value="URL",
        environment="OPENAI_BASE_URL",
        usual="OpenAI",
        example="http://localhost:8000/v1",
        kept=True,
        safety=True,
    )
    max_steps: int = row(
        50,
        convert.whole(1, "steps"),
        "decisions a run may take (50), the last of which is finish",
        flags=("-n", "--max-steps"),
        value="N",
        environment="MAX_STEPS",
        example="20",
    )
    budget: Decimal | None = row(
        None,
        convert.DOLLARS,
        "US dollars a run may spend; never exceeded",
        more=", not by one call",
        flags=("-b", "--budget"),
        value="USD",
        environment="AGENTLOOP_BUDGET",
        usual="none",
        example="0.50",
        safety=True,
    )
    timeout: int = row(
        30,
        convert.whole(1, "seconds"),
        "seconds a code step may take by default (30)",
        flags=("-t", "--timeout"),
        value="SECONDS",
        example="120",
        kept=True,
    )
    approve: Approve = row(
        "auto",
        convert.one_of("auto", "code", "all"),
        "what waits for a person: `auto` (only what your words do not cover), `code`, `all`",
        flags=("--approve",),
        value="WHAT",
        example="code",
        kept=True,
        safety=True,
    )
    actions: tuple[str, ...] = row(
        (),
        convert.NAMES,
        "the only actions the run may take, commas between; `%agent actions` lists them",
        flags=("--actions",),
        value="NAMES",
        usual="all there are",
        example="run_code,write_file",
        kept=True,
        safety=True,
    )
    no_actions: tuple[str, ...] = row(
        (),
        convert.NAMES,
        "actions the run may not take",
        flags=("--no-actions",),
        value="NAMES",
        usual="none",
        example="search_web,read_url",
        kept=True,
        safety=True,
    )
    mcp: tuple[str, ...] = row(
        (),
        convert.NAMES,
        "MCP servers whose tools the run may use: names, or a file of them; `%agent tools` lists them",
        more="; each has to be allowed first",
        flags=("--mcp",),
        value="NAMES",
        usual="the allowed ones of the folder's `.mcp.json` and `.vscode/mcp.json`",
        example="github,db",
        kept=True,
        safety=True,
    )
    plan: bool = row(
        False,
        convert.SWITCH,
        "the model plans first, and you see the plan before anything is done",
        flags=("--plan",),
        kept=True,
    )
    long_step: int = row(
        30,
        convert.whole(0, "seconds"),
        "seconds after which the model is shown how its code is getting on, to wait or stop it (30; 0: never)",
        flags=("--long-step",),
        value="SECONDS",
        environment="AGENTLOOP_LONG_STEP",
        example="60",
        kept=True,
    )
    questions: Questions = row(
        "few",
        convert.one_of("never", "few"),
        "whether the model may ask you something: `never`, `few` (at most 3 a run)",
        flags=("--questions",),
        value="HOW",
        environment="AGENTLOOP_QUESTIONS",
        example="never",
        kept=True,
    )
    answer_within: int = row(
        600,
        convert.whole(1, "seconds"),
        "seconds a question waits before its default is taken, an approval or a plan before the run ends (600)",
        flags=("--answer-within",),
        value="SECONDS",
        environment="AGENTLOOP_ANSWER_WITHIN",
        example="60",
        kept=True,
    )
    output: str | None = row(
        None,
        convert.TEXT,
        "bind the run to this variable",
        flags=("-o", "--output"),
        value="NAME",
        example="run",
    )
    export: str | None = row(
        None,
        convert.TEXT,
        "write the finished run to this notebook",
        flags=("--export",),
        value="PATH",
        example="run.ipynb",
    )
    until: tuple[str, ...] = row(
        (),
        convert.EXPRESSIONS,
        "a Python expression that must be True when the run ends; may be repeated",
        more=", checked on your variables",
        flags=("--until",),
        value="EXPR",
        example="'len(clean) > 100'",
        kept=True,
        safety=True,
        repeatable=True,
    )
    best_of: int | None = row(
        None,
        convert.whole(2, "tries", most=8),
        "try the goal N times at once, isolated, on one budget, and take the best",
        flags=("--best-of",),
        value="N",
        usual="one try",
        example="3",
    )
    adopt: Adopt = row(
        "ask",
        convert.one_of("ask", "best", "none"),
        "with `--best-of`: bring the winner here after a look (`ask`), at once (`best`), or not",
        flags=("--adopt",),
        value="WHEN",
        example="best",
    )
    strict: bool = row(False, convert.SWITCH, "meeting a limit is an error", flags=("--strict",))
    quiet: bool = row(False, convert.SWITCH, "show the summary only", flags=("--quiet",))
    max_retries: int = row(
        3,
        convert.whole(0),
        "retries of a bad reply or a failing server (3)",
        flags=("--max-retries",),
        value="N",
        environment="MAX_RETRIES",
        example="3",
        kept=True,
    )
    privacy: Privacy = row(
        "full",
        convert.one_of("full", "schema", "none"),
        "what the model sees of your data: `full`, `schema`, `none`",
        flags=("--privacy",),
        value="LEVEL",
        example="schema",
        kept=True,
        safety=True,
    )
    allow_changes: str = row(
        "",
        convert.TEXT,
        "variables the agent may change without a warning, or `all`",
        flags=("--allow-changes",),
        value="NAMES",
        example="all",
        kept=True,
        safety=True,
    )
    undo_memory: int = row(
        512,
        convert.whole(0, "megabytes"),
        "megabytes that copies of your variables may take for undo (512)",
        more="; what no longer fits is named",
        flags=("--undo-memory",),
        value="MB",
        environment="AGENTLOOP_UNDO_MEMORY",
        example="2048",
        kept=True,
    )
    trust_web: bool = row(
        False,
        convert.SWITCH,
        "let code use what pages and search results said",
        flags=("--trust-web",),
        kept=True,
        safety=True,
    )
    live: bool = row(
        False, convert.SWITCH, "with `replay:`, ask the web instead of the record", flags=("--live",), kept=True
    )
    isolated: bool = row(
        False,
        convert.SWITCH,
        "run the code in a process and a folder of its own",
        more="; `%agent adopt` brings back what you want of it",
        flags=("--isolated",),
        environment="AGENTLOOP_ISOLATED",
        example="1",
        kept=True,
        safety=True,
    )
    bring: str | None = row(
        None,
        convert.TEXT,
        "with `--isolated`: variables and files it gets (those the goal names)",
        more="; variables up to 256 MB",
        flags=("--with",),
        value="NAMES",
        example="sales,a.csv",
    )
    on: str | None = row(
        None,
        convert.TEXT,
        "run the code, isolated, on an engine of a running ipyparallel cluster: `PROFILE[:CLUSTER]`",
        more="; `%agent cluster` shows it, `here` is this machine",
        flags=("--on",),
        value="CLUSTER",
        environment="AGENTLOOP_ON",
        usual="this machine",
        example="default:lab",
        kept=True,
        safety=True,
    )
    limits: str = row(
        "",
        convert.TEXT,
        "with `--isolated`: `memory=4,cpu=14400,processes=64,file=2`, in GB, seconds, a number, GB",
        flags=("--limits",),
        value="LIMITS",
        environment="AGENTLOOP_LIMITS",
        usual="as shown",
        example="memory=2,cpu=600",
        kept=True,
        safety=True,
    )
    output_dir: str | None = row(
        None,
        convert.TEXT,
        "folder of the files a run makes (`./output`)",
        more="; one outside the record's folder is named again to resume",
        flags=("--output-dir",),
        value="DIR",
        example="results",
        kept=True,
        safety=True,
        shell_only=True,
    )
    temperature: float | None = row(
        None,
        convert.TEMPERATURE,
        "the model's temperature, 0 to 2",
        environment="AGENTLOOP_TEMPERATURE",
        usual="the server's",
        example="0.2",
        kept=True,
    )
    effort: Effort | None = row(
        None,
        convert.one_of("low", "medium", "high"),
        "how much a reasoning model thinks: `low`, `medium`, `high`",
        flags=("--effort",),
        value="EFFORT",
        environment="AGENTLOOP_EFFORT",
        usual="the provider's",
        example="low",
        kept=True,
    )
    price: str | None = row(
        None,
        convert.TEXT,
        "dollars per million tokens in and out (`0.15,0.60`), or the path of a price table",
        environment="AGENTLOOP_PRICE",
        usual="known prices",
        example="0.15,0.60",
        kept=True,
        safety=True,
    )
    cache: str | None = row(
        None,
        convert.CACHE,
        "`1` keeps decisions, so that running a notebook again costs nothing; or a path",
        environment="AGENTLOOP_CACHE",
        usual="off",
        example="1",
        kept=True,
    )
    images: bool = row(
        True,
        convert.SWITCH,
        "`0` shows no figures to models that can see",
        environment="AGENTLOOP_IMAGES",
        example="0",
        kept=True,
    )
    allow_hosts: tuple[str, ...] = row(
        (),
        convert.NAMES,
        "further hosts `read_url` may reach, say in an intranet; commas between",
        environment="AGENTLOOP_ALLOW_HOSTS",
        usual="none",
        example="wiki.example.org",
        kept=True,
        safety=True,
    )
    record_limit: int = row(
        500,
        convert.whole(1, "megabytes"),
        "megabytes of a run's record, after which it keeps decisions whole and outputs in part",
        environment="AGENTLOOP_RECORD_LIMIT",
        example="1000",
    )
    search: str | None = row(
        None,
        convert.TEXT,
        "engine for the search, or the address of a SearXNG server",
        environment="AGENTLOOP_SEARCH",
        usual="`duckduckgo`",
        example="duckduckgo",
        kept=True,
        safety=True,
    )
    instructions: str = row(
        "",
        convert.TEXT,
        "told to the model in every run, after the project's `AGENTS.md`",
        example="Answer in French.",
        kept=True,
        safety=True,
    )


TABLE: dict[str, Setting] = dict(zip(Rows.__annotations__, ROWS, strict=True))
"""The row of each setting, by its name."""
