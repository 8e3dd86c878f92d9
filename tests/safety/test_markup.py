"""Foreign text in Markdown, HTML and outputs: nothing of it becomes markup that does or fetches something."""

from __future__ import annotations

import random
import re

import pytest
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from agentloop_nb._internal.markup import MAX_PARSED, code_span, figure, harmless, link, plain
from agentloop_nb.actions import (
    ActionResult,
    Finish,
    ReadDocument,
    ReadUrl,
    RunCode,
    SearchWeb,
    UseTool,
    WriteFile,
)
from agentloop_nb.actions.own import stand_in
from agentloop_nb.decision import Decision
from agentloop_nb.events import ActionFinished, ActionStarted, DecisionMade, RunFinished, RunStarted
from agentloop_nb.notebook.panel.native_outputs import final_outputs
from agentloop_nb.notebook.panel.outputs import markdown
from agentloop_nb.state import fold

READERS = {
    "commonmark": MarkdownIt("commonmark", {"html": True}),
    "tables": MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]),
    "github": MarkdownIt("gfm-like", {"html": True, "linkify": False}),
}
ATTACKS = [
    "!![x](https://evil.example/a.png)",
    "!!![x](https://evil.example/a.png)](https://evil.example/b.png)",
    "![![a](https://evil.example/x.png)](b.png)",
    "![a][r]\n\n[r]: https://evil.example/x.png",
    "![a](<https://evil.example/x.png>)",
    "![a](//evil.example/x.png)",
    "![a](\\\\evil.example\\x.png)",
    "![a](data:text/html;base64,PHNjcmlwdD4=)",
    "!\\[a](https://evil.example/x.png)![b](https://evil.example/y.png)",
    "&#33;[a](https://evil.example/x.png)",
    "<img src=https://evil.example/x.png>",
    "<<img src=https://evil.example/x.png>",
    "&lt;img src=https://evil.example/x.png onerror=alert(1)&gt;",
    "<svg/onload=alert(1)>",
    "<iframe src=https://evil.example>",
    "\\`<img src=https://evil.example/x.png>\\`",
    "```\n<b>\n```\n<script>alert(1)</script>",
    "a ``` b\n\n<img src=https://evil.example/x.png>\n\n![x](https://evil.example/x.png) ``` c",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](vbscript:a)[y](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n[x]",
    "| ![a](https://evil.example/x.png) |\n|---|\n| <img src=x> |",
    "- ![a](https://evil.example/x.png)\n\n      ![b](https://evil.example/x.png)",
    "> ![a](https://evil.example/x.png)",
    "$ ![a](https://evil.example/x.png) $",
    "$a$![b](https://evil.example/x.png)$c$",
    "\ue0000\ue001 ![a](https://evil.example/x.png) $x$",
    "![a]( https://evil.example/x.png 'title')",
    "[![a](https://evil.example/x.png)](https://evil.example)",
    "![a](x.png/../../..//evil.example/y.png)",
]


def does_nothing(source: str) -> None:
    for name, reader in READERS.items():
        page = lxml_html.fromstring(f"<div>{reader.render(source)}</div>")
        for element in page.iter():
            assert element.tag in _TAGS, (name, element.tag, source)
            assert not {each for each in element.attrib if each.startswith("on")}, (name, source)
            if element.tag == "img":
                assert re.fullmatch(r"\w[\w./-]*", element.get("src")), (name, source)
            if element.tag == "a":
                assert re.match(r"https?:|mailto:|#|[\w./-]*$", element.get("href")), (name, source)


_TAGS = {"div", "p", "a", "em", "strong", "s", "del", "code", "pre", "hr", "br", "img", "blockquote", "ul", "ol", "li"}
_TAGS |= {"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "td", "th"}


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_does_and_fetches_nothing_and_stays_as_it_is(attack):
    made = harmless(attack)
    does_nothing(made)
    assert harmless(made) == made
    assert not re.search(r"<img[^>]*//", markdown(attack))


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_page_said_is_no_markup_at_all(attack):
    shown = READERS["tables"].render(plain(attack))
    assert set(re.findall(r"<(\w+)", shown)) <= {"p"}
    text = lxml_html.fromstring(f"<div>{shown}</div>").text_content()
    assert "".join(text.split()) == "".join(attack.split())


@pytest.mark.parametrize("seed", range(4))
def test_random_pieces_stay_harmless_and_stable(seed):
    pieces = [
        *"![]()<`\\*_|$&#>-+=~\n\t ",
        "\n\n",
        "    ",
        "```",
        "**",
        "https://evil.example/a.png",
        "a b",
        "1. ",
        "&lt;",
    ]
    pieces += ["<img src=https://evil.example/x onerror=a>", "[r]: https://evil.example/x.png\n", "javascript:alert(1)"]
    chance = random.Random(seed)
    for _ in range(300):
        source = "".join(chance.choice(pieces) for _ in range(chance.randint(1, 25)))
        made = harmless(source)
        does_nothing(made)
        assert harmless(made) == made, source
        assert set(re.findall(r"<(\w+)", READERS["tables"].render(plain(source)))) <= {"p", "br"}, source


KEPT = {
    "**December** was the best month, see `sales.csv` [1].": "<strong>December</strong>",
    "![plot](figures/plot.png)": '<img src="figures/plot.png" alt="plot"',
    "[docs](https://docs.example/a?b=1#c)": '<a href="https://docs.example/a?b=1#c">docs</a>',
    "| a | b |\n|---|---|\n| [1] | x |": "<td>[1]</td>",
    "- one [a]\n- two\n  - deep": "<li>deep</li>",
    "1. one <b>\n2. two": "<li>two</li>",
    "## Head [x]": "<h2>Head [x]</h2>",
    "```python\nx[1] < 3\n```\n\n[a]": "x[1] &lt; 3",
    "~~gone~~ [a]": "<s>gone</s>",
    "> quoted [a]": "<blockquote>",
    "a_b_c [x] 2 * 3": "a_b_c [x] 2 * 3",
}


@pytest.mark.parametrize("source", KEPT)
def test_ordinary_markdown_keeps_its_looks(source):
    assert KEPT[source] in READERS["tables"].render(harmless(source))


@pytest.mark.parametrize("source", ["Count to three", "2 * 3 > 5 & more", "$x^2$ costs $5", "a_b `code` **bold**"])
def test_text_without_links_and_tags_is_not_touched(source):
    assert harmless(source) == source


def test_a_very_long_text_is_shown_as_it_stands():
    made = harmless("[x](https://evil.example) " * (MAX_PARSED // 20))
    assert made.startswith("\\[x\\]")


def test_links_lead_to_the_web_or_nowhere():
    assert link("a [b](c)", "https://x.example/a") == "[a \\[b\\](c)](https://x.example/a)"
    for address in ("javascript:alert(1)", "https://x.example/a)![b](https://evil.example", "//x", "https://x y", ""):
        assert "](" not in link("text", address)


def test_pages_and_hits_are_quoted_as_text():
    evil = "!![x](https://evil.example/a.png) <img src=https://evil.example/x> # T"
    page = ActionResult(
        success=True, output="", metadata={"page": {"title": evil, "url": "https://a.example", "text": evil}}
    )
    hits = [{"title": evil, "url": "javascript:alert(1)", "snippet": evil}]
    found = ActionResult(success=True, output="", metadata={"hits": hits})
    failed = ActionResult(success=False, output=evil, error=evil)
    cells = [
        *ReadUrl(url="https://a.example").cells(page, 1),
        *ReadUrl(url=f"https://a.example/`{evil}").cells(failed, 1),
        *SearchWeb(query=evil).cells(found, 1),
        *SearchWeb(query=evil).cells(failed, 1),
    ]
    for cell in cells:
        does_nothing(cell.source)
        assert "<img" not in READERS["commonmark"].render(cell.source)


# -- below the panel


def outputs_of(*data, code="draw()", summary=""):
    outputs = tuple({"output_type": "display_data", "data": each, "metadata": {}} for each in data)
    events = [
        RunStarted(run="r", goal="draw", context="", settings={}),
        DecisionMade(step=1, decision=Decision(reasoning="draw", action=RunCode(code=code))),
        ActionStarted(step=1),
        ActionFinished(step=1, result=ActionResult(success=True, output="", outputs=outputs)),
        RunFinished(step=1, status="finished", reason="", summary=summary),
    ]
    return final_outputs(fold(events))


EVIL = "<img src=x onerror=alert(1)><script>alert(1)</script>"
PLOTLY, WIDGET = "application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json"


def test_a_picture_beside_html_leaves_the_html_behind():
    (shown,) = outputs_of({"image/svg+xml": "<svg onload=alert(1)></svg>", "text/html": EVIL, "text/plain": "<Figure>"})
    assert "alert" not in str(shown)
    assert shown["text/html"].startswith('<img alt="figure" src="data:image/svg+xml;base64,')
    (shown,) = outputs_of({"image/png": "AAAA", "text/html": EVIL, "image/svg+xml": "<svg/>"})
    assert shown == {"image/png": "AAAA"}


@pytest.mark.parametrize(
    "mime",
    [
        "application/vnd.bokehjs_exec.v0+json",
        "application/vnd.holoviews_exec.v0+json",
        "application/vnd.evil+json",
        "application/javascript",
        "text/html",
        "image/x-evil",
        "application/vnd.jupyter.es6-rich-output",
        "application/vnd.code.notebook.error",
        "text/latex",
        "application/geo+json",
    ],
)
def test_only_known_kinds_stand_below_the_panel(mime):
    assert outputs_of({mime: EVIL}, code="import plotly") == []


def test_an_interactive_figure_is_kept_for_the_library_that_the_code_names():
    data = {PLOTLY: {"data": [{"y": [1, 2]}], "layout": {}}, "text/html": EVIL}
    assert outputs_of(data, code="import plotly.express as px") == [{PLOTLY: data[PLOTLY]}]
    assert outputs_of(data, code="print(1)") == []
    assert outputs_of({WIDGET: {"model_id": "a"}}, code="import ipywidgets as w") == [], (
        "a saved notebook holds no widget"
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"layout": {"images": [{"source": "https://evil.example/a.png"}]}},
        {"data": {"url": "https://evil.example/a.csv"}},
        {"a": [[{"b": {"href": "javascript:alert(1)"}}]]},
        {"source": "//evil.example/a"},
        '{"data": {"url": "https://evil.example/a.csv"}}',
    ],
)
def test_a_figure_that_fetches_is_left_out(spec):
    assert figure({PLOTLY: spec}, ["import plotly"]) == {}


def test_the_answer_is_harmless_and_stays_so():
    (shown,) = outputs_of(summary="".join(ATTACKS[:2]) + " costs $5 and $6 [1]")
    does_nothing(shown["text/markdown"].replace("\\$", "$"))
    assert "\\$5 and \\$6" in shown["text/markdown"]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("before", ["`", "``", "a` ", "\n\n", "`\n\n"])
def test_names_and_calls_stay_code_in_an_export(attack, before):
    text = f"{before}{attack}{before}"
    does_nothing(code_span(text))
    failed = ActionResult(success=False, output="", error=attack)
    own = stand_in("ask").model_validate({"q": text})
    named = [ReadDocument(path=text), WriteFile(filename=text, content=""), UseTool(tool=text), own]
    for action in [*named, Finish(goal_met=True, summary="s", artifacts=(text,))]:
        for cell in action.cells(failed, 1):
            does_nothing(cell.source)
