"""Makes the notebooks 04 to 09 and the records they replay: `python -m tests.product.stories [NAME ...]`."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from tests.product.story_texts import CHECKED, STORIES, Story

HERE = Path(__file__).parents[2] / "notebooks"
MADE_AT = 1795356741.0
BY_HAND = "No model took these decisions: they were written by hand."


def events(name: str, decisions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The record of a run that took these decisions; only what the web answered is kept of what came of them."""
    settings = {"model": "scripted", "max_steps": 50}
    yield {
        "format": 1,
        "step": 0,
        "kind": "run_started",
        "run": name,
        "goal": name,
        "context": BY_HAND,
        "settings": settings,
    }
    for step, given in enumerate(decisions, 1):
        decision = {key: value for key, value in given.items() if key != "hits"}
        yield {"step": step, "kind": "decision_made", "decision": decision}
        yield {"step": step, "kind": "action_started"}
        if hits := given.get("hits"):
            found = (f"{n}. {hit['title']}\n   {hit['url']}\n   {hit['snippet']}" for n, hit in enumerate(hits, 1))
            result = {"success": True, "output": "\n".join(found), "effects": {"hits": hits}}
            yield {"step": step, "kind": "action_finished", "result": result}


def write_records(folder: Path, story: Story) -> None:
    """Write the records of a story, each event in the order its record has."""
    for name, decisions in story.records.items():
        lines = ({"step": event["step"], "at": MADE_AT, **event} for event in events(name, decisions))
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def notebook(story: Story) -> nbformat.NotebookNode:
    """The notebook of a story, not run yet."""
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, source in enumerate(story.cells):
        if source.startswith("md:"):
            cell = nbformat.v4.new_markdown_cell(source.removeprefix("md:"))
        else:
            cell = nbformat.v4.new_code_cell(source.removeprefix(CHECKED))
            cell.metadata["tags"] = ["nbval-check-output"] if source.startswith(CHECKED) else []
        cell.id = f"cell-{number}"
        made.cells.append(cell)
    return made


def main(names: list[str]) -> None:
    """Write records and notebooks, with the outputs of really running them."""
    for name in names or STORIES:
        write_records(HERE / "records", STORIES[name])
        with tempfile.TemporaryDirectory() as place:
            for part in ("data", "records"):
                shutil.copytree(HERE / part, Path(place, part))
            os.environ.pop("OPENAI_API_KEY", None)
            made = notebook(STORIES[name])
            NotebookClient(
                made,
                timeout=120,
                resources={"metadata": {"path": place}},
                record_timing=False,
            ).execute()
        for cell in made.cells:
            cell.metadata.pop("execution", None)
        made.metadata.pop("widgets", None)
        nbformat.write(made, HERE / f"{name}.ipynb")
        size = (HERE / f"{name}.ipynb").stat().st_size
        print(f"{name}: {size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
