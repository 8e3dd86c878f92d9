"""Build the documentation: `sphinx-build -W -b html docs build/docs`."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ipython_pygments_lexers import IPython3Lexer
from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from agentloop_nb import __version__  # noqa: E402 - from this tree, not from what is installed

REPOSITORY = runpy.run_path(str(ROOT / "agentloop_nb" / "_internal" / "repository.py"))["REPOSITORY"]
PAGES = {
    "ARCHITECTURE.md": "how-it-works.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Where the files of the repository's root stand in these pages."""

project = "agentloop-nb"
author = "the authors of agentloop-nb"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
default_role = "code"  # docstrings are plain text with back-ticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(collections|decimal|pathlib|typing|asyncio|datetime)\..*"),  # Python's own
    ("py:.*", r"(Path|Decimal|Any|Exception|Status|Published|State|Verdict|Workspace|Step|Literal\[.*)"),
    ("py:.*", r"agentloop_nb\.(?!api\.|run\.Run$|errors\.).*"),  # what is not told on the page of the API
]
html_theme = "furo"
html_title = f"agentloop-nb {release}"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = (
    {
        "source_repository": f"https://github.com/{REPOSITORY}/",
        "source_branch": "main",
        "source_directory": "docs/",
    }
    if REPOSITORY
    else {}
)


def lead_to_pages(app: Sphinx, relative_path: Path, parent: str, content: list[str]) -> None:
    """Let links between the files of the repository's root lead to their pages here."""
    for file, page in PAGES.items():
        content[0] = content[0].replace(f"]({file}", f"]({page}")


def add_reports(app: Sphinx, error: Exception | None) -> None:
    """Put the reports of the gallery beside its page, as they are."""
    if error is None and app.builder.format == "html":
        shutil.copytree(Path(app.srcdir, "gallery"), Path(app.outdir, "gallery"), dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Colour cells as IPython reads them; show the diagram as its text, so that no script is fetched."""
    app.add_lexer("python", IPython3Lexer)
    app.add_lexer("mermaid", TextLexer)
    app.connect("include-read", lead_to_pages)
    app.connect("build-finished", add_reports)
