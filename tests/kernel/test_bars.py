"""Progress bars of tqdm, drawn by widgets or as text: a step tells how far they are, while they run and at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from agentloop_nb.protocols import CodeOutcome, Output
from tests.kernel.conftest import Kernel

pytestmark = pytest.mark.kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
BAR = "from tqdm.{} import tqdm\nfor _ in tqdm(range(4), desc='work', mininterval=0): pass"
NO_WIDGETS = """\
import sys
for name in [name for name in sys.modules if name.split('.')[0] in ('ipywidgets', 'tqdm')]: del sys.modules[name]
"""
HIDE = NO_WIDGETS + "sys.modules['ipywidgets'] = None"
SHOW = NO_WIDGETS.replace("ipywidgets", "tqdm")


@pytest.fixture
def without_widgets(kernel: Kernel) -> Iterator[Kernel]:
    """The kernel as it is where ipywidgets is not installed."""
    kernel.run(HIDE)
    yield kernel
    kernel.run(SHOW + "\nsys.modules.pop('ipywidgets', None)")


def shown(outcome: CodeOutcome) -> list[Output]:
    return [output for output in outcome.outputs if output["output_type"] == "display_data"]


@pytest.mark.parametrize("module", ["notebook", "auto", "autonotebook"])
def test_a_widget_bar_is_told_as_text_that_keeps_up(kernel: Kernel, module: str) -> None:
    outcome = kernel.step(BAR.format(module))

    [bar] = shown(outcome)
    assert WIDGET in bar["data"], "a front end that can draws the widget"
    assert re.match(r"work: 100%\|#+\| 4/4 \[", bar["data"]["text/plain"])
    told = [output for output in kernel.evaluate("_told") if WIDGET in output.get("data", {})]
    assert told[0]["output_type"] == "display_data"
    assert {each["transient"]["display_id"] for each in told} == {told[0]["transient"]["display_id"]}
    done = [int(re.search(r"(\d)/4", each["data"]["text/plain"])[1]) for each in told]
    assert done == sorted(done), "the card sees it grow"
    assert (done[0], done[-1]) == (0, 4)
    assert len(set(done)) > 2


def test_a_bar_that_breaks_off_says_where(kernel: Kernel) -> None:
    outcome = kernel.step(
        "from tqdm.notebook import tqdm\nfor n in tqdm(range(4), mininterval=0):\n    if n == 2: raise ValueError(n)"
    )

    assert outcome.ending == "error"
    assert "2/4" in shown(outcome)[0]["data"]["text/plain"]


def test_bars_inside_each_other_and_a_widget_of_other_kind(kernel: Kernel) -> None:
    outcome = kernel.step(
        "import ipywidgets\nfrom tqdm.notebook import tqdm\n"
        "for _ in tqdm(range(2), mininterval=0):\n    for _ in tqdm(range(3), mininterval=0): pass\n"
        "slider = ipywidgets.IntSlider(1)\ndisplay(slider)\nslider.value = 7\nslider"
    )

    texts = [output["data"]["text/plain"] for output in outcome.outputs]
    assert [re.search(r"\d/\d", text)[0] for text in texts[:3]] == ["2/2", "3/3", "3/3"]
    assert "value=7" in texts[3]
    assert outcome.outputs[-1]["output_type"] == "execute_result"
    kernel.run("slider.value = 9")
    assert "value=7" in kernel.evaluate("_outcome.outputs[3]['data']['text/plain']"), "a step that is over is over"


def test_without_widgets_a_bar_is_text(without_widgets: Kernel) -> None:
    outcome = without_widgets.step(BAR.format("auto"))

    text = "".join(output["text"] for output in outcome.outputs)
    assert re.search(r"work: 100%\|.+\| 4/4 \[", text)
    assert without_widgets.step(BAR.format("notebook")).error.message.startswith("IProgress not found")
