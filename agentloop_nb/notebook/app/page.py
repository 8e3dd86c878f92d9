"""The app: a goal box, limits, live cards and files, for people who do not read code. Shown by Voila, or in a cell."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from IPython import get_ipython

from agentloop_nb._internal.amounts import dollars
from agentloop_nb._internal.text import STATUS_WORDS, capitalized, counted
from agentloop_nb.errors import UserError
from agentloop_nb.models.keys import known_keys
from agentloop_nb.notebook.app import file_list, visit_files
from agentloop_nb.notebook.panel.html import static_html
from agentloop_nb.notebook.panel.panel_view import PanelView
from agentloop_nb.notebook.panel.safe_text import escape
from agentloop_nb.notebook.presenter import Presenter
from agentloop_nb.notebook.run_manager import RunManager
from agentloop_nb.run import Run
from agentloop_nb.settings import DEFAULT_MODEL, environment

if TYPE_CHECKING:
    from agentloop_nb.verify.certified_export import Published

EXAMPLES = {
    "Which day of the week sells most coffee?": (
        "Which day of the week sells most coffee in cafe.csv, and what does rain cost? Draw a chart."
    ),
    "Compare three web frameworks": (
        "Find out which Python web frameworks are used most, compare three, and write a short report."
    ),
    "Plot the planets": (
        "Make a table of the planets with their mass and distance from the sun, plot it, and save the figure."
    ),
}
"""Goals to try, by what their buttons say; the first is the one that the demo knows."""
MAX_STEPS = 30

_ABOUT = (
    '<p style="line-height:1.5">Ask a question, or say what to make. A language model decides one step at a time; each '
    "is carried out and shown as a card. Code runs on the machine that serves this page, in a folder of its own.</p>"
)
_SCRIPTED = (
    '<p style="line-height:1.5">The model chosen here is <code>demo</code>: its decisions are scripted, for the coffee '
    "question only; its code really runs. With a key or a server of your own, choose another model.</p>"
)
_BELOW = "The answer, its figures and every step appear here."
_LINES = 'style="line-height:1.5"'
_WITHIN = '<div style="contain:inline-size;max-width:64em">'
"""Around a view: as wide as the page, however long its lines are."""


class App(widgets.VBox):
    """One visit: its own kernel (Voila starts one for each), its own folder below `./output`."""

    def __init__(self) -> None:
        self._shell = get_ipython()
        self._loop = asyncio.get_event_loop()
        self._folder = _own_folder()
        self._launcher = RunManager(self._shell, working_folder=self._folder, watched=True)
        near = {"style": {"description_width": "initial"}}
        self._goal = widgets.Textarea(
            placeholder="What should be done?", rows=4, layout={"width": "98%"}, description="Goal", **near
        )
        narrow = near | {"layout": {"width": "12em", "margin": "2px 16px 2px 2px"}}
        wide = near | {"layout": {"width": "18em", "margin": "2px 16px 2px 2px"}}
        self._model = widgets.Combobox(value=_usual_model(), options=_models(), description="Model", **wide)
        self._steps = widgets.BoundedIntText(MAX_STEPS, min=1, max=100, description="Max steps", **narrow)
        self._budget = widgets.Text(placeholder="no limit", description="Budget, $", **narrow)
        beside = {"indent": False, "layout": {"width": "auto", "margin": "2px 0 2px 16px"}}
        self._ask = widgets.Checkbox(description="Ask me before code runs", **beside)
        self._plan = widgets.Checkbox(description="Show me a plan first", **beside)
        self._start = widgets.Button(description="Run", button_style="primary")
        self._upload = widgets.FileUpload(multiple=True, description="Add data", accept=",".join(visit_files.KINDS))
        self._upload.observe(self._take_in, "value")
        self._last: Run | None = None
        self._given, self._data = widgets.HTML(), _given_data(self._folder)
        self._word = widgets.Text(placeholder="What to do differently (optional)", layout={"width": "60%"})
        self._resume = widgets.Button(description="Go on", tooltip="Go on with this run where it ended")
        self._later = _row(self._word, self._resume)
        self._later.layout.display = "none"
        self._banner, self._cards = widgets.HTML(), widgets.VBox()
        self._made, self._files = widgets.HTML(), widgets.VBox()
        self._start.on_click(lambda _button: self._run(self._begin))
        self._resume.on_click(lambda _button: self._run(self._go_on))
        self._about = widgets.HTML()
        self._model.observe(lambda _change: self._introduce(), "value")
        self._choices = [
            _row(*self._examples()),
            _row(self._upload, self._given),
            _row(self._model, self._steps, self._budget),
        ]
        self._begins = _row(self._start, self._ask, self._plan)
        self._shown = [self._banner, self._later, self._cards, self._made, self._files]
        first = [self._about, self._goal, *self._choices, self._begins, *self._shown]
        super().__init__(first, layout={"max_width": "64em", "margin": "0 auto"})
        self._say(_BELOW, bold=False)
        self._introduce()
        self._tell_data()

    def _introduce(self) -> None:
        """Say what the page does, and where its answers are scripted."""
        self._about.value = f"<h2>AgentLoop</h2>{_ABOUT}{_SCRIPTED if self._model.value == 'demo' else ''}"

    def _make_room(self) -> None:
        """Put what a run shows right below the goal, and what can be chosen for another run below that."""
        if self._choices:
            head = widgets.HTML("<h3>For another run</h3>")
            self.children = (self._about, self._goal, self._begins, *self._shown, head, *self._choices)
            self._choices = []

    def _examples(self) -> Iterator[widgets.Widget]:
        """Yield goals to try; without a model only the one that the demo knows."""
        yield widgets.Label("Try an example:")
        for label, goal in list(EXAMPLES.items())[: 1 if self._model.value == "demo" else None]:
            button = widgets.Button(description=label, tooltip=goal, layout={"width": "auto"})
            button.on_click(lambda _button, goal=goal: setattr(self._goal, "value", goal))
            yield button

    # -- data

    def _take_in(self, _change: Any) -> None:
        """Keep what was uploaded, each under a name that is safe here."""
        refused = []
        for each in self._upload.value:
            try:
                self._data.append(visit_files.put(self._folder, each["name"], bytes(each["content"]), self._data))
            except UserError as error:
                refused.append(str(error))
        self._tell_data("; ".join(refused))

    def _tell_data(self, refused: str = "") -> None:
        told = ", ".join(self._data) or "CSV, Excel, JSON and the like; only this visit sees them"
        wrong = f' <b style="color:#b00020">{escape(refused)}</b>' if refused else ""
        self._given.value = f'<span role="status">{escape(told)}</span>{wrong}'

    # -- running

    def _run(self, make: Callable[[], Presenter]) -> None:
        """Start the run on the kernel's own loop, whatever thread served the click."""
        self._start.disabled = self._resume.disabled = True
        self._say("")
        self._made.value = ""
        self._files.children = ()
        asyncio.run_coroutine_threadsafe(self._go(make), self._loop)

    async def _go(self, make: Callable[[], Presenter]) -> None:
        try:
            launch = make()
            self._make_room()
            launch.make_panel = lambda goal, control, shell: AppPanel(goal, control, shell, self._cards)
            self._later.layout.display = "none"
            self._last = run = await launch.go()
            self._conclude(run)
            await self._make_downloads(run)
        except UserError as error:
            self._say(error.said, "#b00020")
        except Exception as error:  # noqa: BLE001 - a visitor sees one line, never a traceback
            self._say(f"Something went wrong: {type(error).__name__}: {error}", "#b00020")
        finally:
            self._start.disabled = self._resume.disabled = False

    def _begin(self) -> Presenter:
        arguments = {
            "model": self._model.value or None,
            "max_steps": self._steps.value,
            "budget": self._budget.value.strip() or None,
            "approve": "code" if self._ask.value else None,
            "plan": self._plan.value or None,
        }
        notes = visit_files.told(self._folder, self._data)
        return self._launcher.begin(self._goal.value.strip(), self._launcher.settings(arguments), notes)

    def _go_on(self) -> Presenter:
        """Go on with the last run: with as many steps again, and within the budget that the page says now."""
        assert self._last is not None
        limits = {
            "max_steps": self._last.current_step + self._steps.value,
            "budget": self._budget.value.strip() or None,
        }
        word, self._word.value = self._word.value.strip(), ""
        return self._launcher.resume(self._last.id, limits, note=word)

    async def _make_downloads(self, run: Run) -> None:
        """Write the run as a notebook that is proven to re-run, and as a report; each has a button."""
        if not any(result.success for result in run.action_results):
            return
        notebook, report = self._folder / "notebook.ipynb", self._folder / "report.html"
        self._made.value = f"<p {_LINES}>The notebook and the report to download are being made …</p>"
        for path in (notebook, report):
            path.unlink(missing_ok=True)
        made = await asyncio.to_thread(run.publish, notebook)
        await asyncio.to_thread(run.report, report, check=False)
        buttons = _downloads({notebook: "Download the notebook", report: "Download the report"})
        self._made.value = f"<p {_LINES}>{''.join(buttons.values())}</p>{_proof(made)}"
        self._list_files(run.artifacts, offered=buttons)

    def _list_files(self, first: Sequence[str], *, offered: Collection[str] = ()) -> None:
        files = [widgets.HTML(row) for row in file_list.rows(self._folder, first, offered)]
        self._files.children = (widgets.HTML("<h3>Files</h3>"), *files) if files else ()

    def _conclude(self, run: Run) -> None:
        cost = dollars(run.state.total_cost) if run.cost_known else "unknown"
        word, reason = STATUS_WORDS[run.status], run.state.reason
        ended = reason if reason.startswith(word) else f"{word}: {reason}"
        told = f"{capitalized(ended)}; {counted(run.current_step, 'step')}, cost {cost}."
        color = {"finished": "#1b7f3b", "failed": "#b00020"}.get("" if run.state.doubts else run.status, "#8a6100")
        self._say(told, color)
        self._later.layout.display = "none" if run.is_complete else ""
        self._list_files(run.artifacts)

    def _say(self, text: str, color: str = "inherit", *, bold: bool = True) -> None:
        style = f"line-height:1.5;color:{color};font-weight:{'bold' if bold else 'normal'}"
        self._banner.value = f'<p role="status" style="{style}">{escape(text)}</p>' if text else ""


class AppPanel(PanelView):
    """The panel of a run, put into a box of the page instead of a cell's output."""

    in_cell = False

    def __init__(self, goal: str, control: Any, shell: Any, place: widgets.Box) -> None:
        super().__init__(goal, control, shell, live=True)
        self._place = place

    def _publish(self, bundle: dict[str, Any], *, update: bool = False) -> None:
        shown = widgets.HTML(f"{_WITHIN}{static_html(self._state, typed=False)}</div>") if update else self._link.widget
        self._place.children = (shown,)


def _row(*children: widgets.Widget) -> widgets.HBox:
    """Put controls beside one another, and below where there is no room."""
    return widgets.HBox(list(children), layout={"flex_flow": "row wrap", "align_items": "center"})


def _downloads(told: Mapping[Path, str]) -> dict[str, str]:
    """Draw a button for each file that is handed out, by its name."""
    buttons = {path.name: file_list.button(path, words) for path, words in told.items()}
    return {name: button for name, button in buttons.items() if button}


def _proof(made: Published) -> str:
    """Tell what re-running the notebook showed, with the line to type as code."""
    shown = escape("; ".join(filter(None, (made.said, made.left))))
    check = f" To check it yourself: <code>{escape(made.check)}</code>" if made.check else ""
    return f"<p {_LINES}>{shown}.{check}</p>"


def _own_folder() -> Path:
    """Make a folder for this visit and go there, so that its files and its record are its own."""
    folder = Path("output", f"app_{secrets.token_hex(4)}").absolute()
    folder.mkdir(parents=True)
    os.chdir(folder)
    return folder


def _given_data(folder: Path) -> list[str]:
    """Copy the data that the host gives every visit; return the names."""
    source = os.environ.get(visit_files.FOLDER)
    return visit_files.copied(Path(source), folder) if source else []


def _usual_model() -> str:
    variables = environment()
    reachable = known_keys(variables) or variables.get("OPENAI_BASE_URL")
    return variables.get("OPENAI_MODEL", DEFAULT_MODEL) if reachable else "demo"


def _models() -> tuple[str, ...]:
    return ("demo", DEFAULT_MODEL, "gpt-4o", "ollama", "openrouter:", "gemini:", "anthropic:")
