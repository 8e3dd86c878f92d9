"""A report as one HTML page that fetches nothing, or as Markdown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from agentloop_nb._internal.markup import code_span, fenced, harmless
from agentloop_nb.export.claim_links import with_links
from agentloop_nb.export.destination import MARKDOWN_MARK, PAGE_MARK
from agentloop_nb.export.finding import found_at
from agentloop_nb.export.markdown_links import step_anchor, step_link, with_markdown_links
from agentloop_nb.export.report import Exhibited, Json, MethodStep, Report
from agentloop_nb.notebook.panel.highlight import DARK, PALETTE, highlighted
from agentloop_nb.notebook.panel.outputs import block_of, markdown
from agentloop_nb.notebook.panel.safe_text import escape, inline, one_line, prose

STYLE = f"""
:root{{color-scheme:light dark;--line:#d0d7de;--muted:#57606a;--tint:#f6f8fa;--link:#0550ae;{PALETTE}}}
@media (prefers-color-scheme:dark){{:root{{--line:#444c56;--muted:#a9b3bd;--tint:#22272e;--link:#79b8ff;
{DARK}}}}}
body{{margin:0 auto;padding:24px 16px 48px;max-width:760px;font:16px/1.55 system-ui,sans-serif;background:Canvas;
color:CanvasText;overflow-wrap:anywhere}}
h1{{font-size:1.6em;line-height:1.25;margin:0 0 .3em}}h2{{font-size:1.15em;margin:1.8em 0 .4em}}
a{{color:var(--link)}}.muted,figcaption,footer{{color:var(--muted);font-size:.9em}}
figure{{margin:1.2em 0}}figure img{{max-width:100%;height:auto;background:#fff}}
table{{border-collapse:collapse;font-size:.92em}}th,td{{border-bottom:1px solid var(--line);padding:3px 10px;
text-align:start}}.wide{{overflow-x:auto}}li{{margin:.5em 0}}
pre{{font:12.5px/1.45 ui-monospace,monospace;background:var(--tint);border:1px solid var(--line);border-radius:4px;
padding:8px 10px;margin:.4em 0;max-height:30em;overflow:auto;white-space:pre-wrap}}
code{{font-family:ui-monospace,monospace;font-size:.92em}}summary{{cursor:pointer;color:var(--muted);font-size:.9em}}
footer{{margin-top:3em;border-top:1px solid var(--line);padding-top:.8em}}
@media print{{body{{max-width:none;padding:0;font-size:11pt}}details{{display:none}}pre{{max-height:none}}
figure{{break-inside:avoid}}a{{color:inherit}}}}
"""
GAPS = "Steps that the result does not need are left out; the numbers are those of the run."
FOUND = "Found here, for the answer:"
_TEXT = re.compile(r"""(<(?:"[^"]*"|[^"<>])*+>)|\bstep\s+(\d{1,6})\b""", re.IGNORECASE)


def as_html(report: Report) -> str:
    """One page: no script, no request, light and dark, fit to print (code is left out on paper)."""
    parts = [
        f"<h1>{prose(report.title)}</h1>",
        f'<p class="muted">The question: {inline(report.goal)}</p>',
        f"<p><b>Not finished</b> — {prose(report.unfinished)}</p>" if report.unfinished else "",
        f'<section class="wide">{_linked(markdown(report.answer), report)}</section>' if report.answer else "",
        *(_figure(each) for each in report.exhibits),
        _list("Files", (f"<code>{escape(name)}</code>" for name in report.files)),
        _method(report),
        _list("Sources", (_link(title, address) for title, address in report.sources)),
        _list("Data", map(_input, report.inputs)),
        _check(report),
        f"<footer><p>{prose(report.made)} {prose(report.cost)}</p></footer>",
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{PAGE_MARK}<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _linked(markup: str, report: Report) -> str:
    """Turn the claims that steps show, and the steps that an answer names, into links to them."""
    known = {each.number for each in report.method}
    markup = with_links(markup, report.grounds, known, lambda step: f"#step-{step}")
    return _TEXT.sub(
        lambda found: (
            found[1] or (f'<a href="#step-{found[2]}">{found[0]}</a>' if int(found[2]) in known else found[0])
        ),
        markup,
    )


def _figure(each: Exhibited) -> str:
    block = block_of(each.output)
    if block is None:
        return ""
    if block["kind"] == "picture":
        body = f'<img src="{escape(block["src"])}" alt="{escape(one_line(each.caption))}">'
    elif block["kind"] == "html":
        body = f'<div class="wide" tabindex="0" role="region" aria-label="{each.name}">{block["html"]}</div>'
    else:
        body = "<p>An interactive figure, which only a notebook can show.</p>"
    where = f'<a href="#step-{each.step}">step {each.step}</a>'
    caption = f"<figcaption><b>{each.name}</b> ({where}). {inline(each.caption)}</figcaption>"
    return f'<figure id="{each.name.lower().replace(" ", "-")}">{body}{caption}</figure>'


def _method(report: Report) -> str:
    if not report.method:
        return ""
    steps = "".join(
        f'<li id="step-{each.number}" value="{each.number}">{_told(each, report)}{_shown(each)}</li>'
        for each in report.method
    )
    told = f'<p class="muted">{GAPS}</p>' if _has_gaps(report) else ""
    return f"<h2>How it was done</h2>{told}<ol>{steps}</ol>"


def _told(each: MethodStep, report: Report) -> str:
    """Say why a step was taken, and what it gave to the answer."""
    found = found_at(each.number, report.grounds)
    return inline(each.reason) + (f'<div class="muted">{FOUND} {inline(found)}</div>' if found else "")


def _has_gaps(report: Report) -> bool:
    """Whether steps are left out, so that a reader wonders at their numbers."""
    return [each.number for each in report.method] != list(range(1, len(report.method) + 1))


def _shown(each: MethodStep) -> str:
    if not each.code:
        return ""
    code = f'<pre tabindex="0">{highlighted(each.code, each.lang)}</pre>'
    outputs = "".join(_output(output) for output in each.outputs)
    return f"<details><summary>Code{' and output' if outputs else ''}</summary>{code}{outputs}</details>"


def _output(output: Json) -> str:
    """Text and tables of a step; its figures stand above, if the answer uses them."""
    block = block_of(output)
    if block is None or block["kind"] == "picture":
        return ""
    if block["kind"] == "html":
        return f'<div class="wide">{block["html"]}</div>'
    left = [f"<i>… {block['skipped']:,} lines are left out …</i>"] if block["skipped"] else []
    return f'<pre tabindex="0">{chr(10).join([*block["head"], *left, *block["tail"]]).rstrip()}</pre>'


def _list(title: str, items: Iterable[str]) -> str:
    told = "".join(f"<li>{item}</li>" for item in items)
    return f"<h2>{title}</h2><ul>{told}</ul>" if told else ""


def _link(title: str, address: str) -> str:
    if not address.startswith(("http://", "https://")):
        return prose(title)
    return f'<a href="{escape(address)}" rel="noopener noreferrer">{prose(one_line(title))}</a>'


def _input(file: Json) -> str:
    told = f"<code>{escape(str(file['path']))}</code>"
    return f"{told}, SHA-256 <code>{file['sha256']}</code>" if file["sha256"] else f"{told}, which was missing"


def _check(report: Report) -> str:
    lines = "".join(f"<pre>{escape(line)}</pre>" for line in _commands(report))
    return (
        f"<h2>How to check it</h2><p>{prose(_sentence(report.verdict))}</p><p>{_ADVICE}</p>{lines}"
        f'<p class="muted">Versions: {prose(report.versions)}. Run: {prose(report.run)}.</p>'
    )


_ADVICE = (
    "The run can be exported as a notebook that holds every step and runs in plain Jupyter, without a model or a key: "
    "type the first line where the run was recorded. The second line runs that notebook again, anywhere, and compares:"
)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _commands(report: Report) -> tuple[str, str]:
    return f"agentloop export {report.run} run.ipynb", "agentloop verify run.ipynb"


def as_markdown(report: Report) -> str:
    """Return the same as one Markdown file; figures are held in it as data."""
    known = {each.number for each in report.method}
    parts = [MARKDOWN_MARK, f"# {harmless(report.title)}", f"*The question: {harmless(' '.join(report.goal.split()))}*"]
    parts += [f"**Not finished** — {harmless(report.unfinished)}"] if report.unfinished else []
    parts += [with_markdown_links(harmless(report.answer), report.grounds, known)] if report.answer else []
    parts += (_md_exhibit(each, known) for each in report.exhibits)
    parts += ["## Files", "\n".join(f"- {code_span(name)}" for name in report.files)] if report.files else []
    parts += ["## How it was done"] if report.method else []
    parts += [GAPS] if _has_gaps(report) else []
    parts += (_md_step(each, report) for each in report.method)
    sources = "\n".join(f"- {harmless(title)}: <{address}>" for title, address in report.sources if _safe(address))
    parts += ["## Sources", sources] if sources else []
    data = "\n".join(f"- {code_span(each['path'])}, SHA-256 `{each['sha256'] or 'missing'}`" for each in report.inputs)
    parts += ["## Data", data] if data else []
    verdict = harmless(_sentence(report.verdict))
    parts += ["## How to check it", verdict, _ADVICE, fenced("\n".join(_commands(report)), "")]
    parts += [f"Versions: {report.versions}. Run: {report.run}.", f"{report.made} {report.cost}".strip()]
    return "\n\n".join(parts) + "\n"


def _safe(address: str) -> bool:
    return re.fullmatch(r"https?://[^\s<>]+", address) is not None


def _md_exhibit(each: Exhibited, known: Collection[int]) -> str:
    where = step_link(f"step {each.step}", each.step, known)
    block, caption = block_of(each.output), f"*{each.name} ({where}). {harmless(one_line(each.caption))}*"
    if block is None:
        return caption
    if block["kind"] == "picture":
        return f"![{each.name}]({block['src']})\n\n{caption}"
    return f"{_inert(block['html'])}\n\n{caption}" if block["kind"] == "html" else caption


def _inert(markup: str) -> str:
    """Safe HTML in which no reader of Markdown finds a picture or a link, nor the end of the HTML."""
    return re.sub(r"\n\s*\n", "\n", markup.replace("[", "&#91;").replace("`", "&#96;").strip())


def _md_step(each: MethodStep, report: Report) -> str:
    found = found_at(each.number, report.grounds)
    told = f"{step_anchor(each.number)}**Step {each.number}.** {harmless(each.reason)}"
    told += f"\n\n*{FOUND}* {harmless(found)}" if found else ""
    if not each.code:
        return told
    code = fenced(each.code, each.lang)
    return f"{told}\n\n<details><summary>Code</summary>\n\n{code}\n\n</details>"
