"""A step behaves like a cell: the same code, run as both in the same real kernel, shows the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.kernel.conftest import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]

PLAIN = [
    "print('one')",
    "print('no newline', end='')",
    "print('a'); print('b')",
    "print('é ü 漢字 🙂')",
    "print('x' * 10_000)",
    "for i in range(50): print(i)",
    "import sys; sys.stderr.write('to stderr\\n')",
    "import sys; print('oops', file=sys.stderr)",
    "import sys; _ = sys.stdout.write('written'); sys.stdout.flush()",
    "import sys; sys.stdout.writelines(['a\\n', 'b\\n'])",
    "print('flushed', flush=True)",
    "print()",
    "import warnings; warnings.warn('careful', UserWarning)",
    "import logging; logging.getLogger('some').warning('logged')",
    "import pprint; pprint.pprint({'b': [1, 2], 'a': (3,)})",
    "import sys\nprint('out 1')\nprint('err 1', file=sys.stderr)\nprint('out 2')",
    "from time import sleep\nfor i in range(3):\n    print(i)\n    sleep(0.02)",
    "print('before\\rafter')",
    "help(len)",
]
VALUES = [
    "1 + 1",
    "1 + 1;",
    "'text'",
    "None",
    "[1, 2, 3]",
    "{'a': 1}\n# a comment after it",
    "x = 3\nx",
    "x = 3",
    "x = 3; x;",
    "1; 2",
    "1\n2",
    "print('first'); 42",
    "(yes := 5)",
    "lambda: 0;",
    "object",
    "if True:\n    'not shown'",
    "for i in range(2):\n    i",
    "'multi\\nline'",
    "list(range(2000))",
    "print(1);",
    "...",
    "3.0 / 7",
    "b'bytes'",
    "import math; math.pi",
]
DISPLAYS = [
    "display('shown')",
    "display(1, 2)",
    "from IPython.display import HTML; HTML('<b>bold</b>')",
    "from IPython.display import HTML, display; display(HTML('<i>i</i>')); 'value'",
    "from IPython.display import Markdown; Markdown('# title')",
    "from IPython.display import Latex; Latex('$x$')",
    "from IPython.display import JSON; JSON({'a': [1, {'b': None}]})",
    "from IPython.display import SVG; SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')",
    "from IPython.display import Javascript; Javascript('1')",
    "from IPython.display import Image; Image(data=bytes([137, 80, 78, 71, 13, 10, 26, 10]) + b'x' * 60, format='png')",
    "display({'text/plain': 'raw', 'text/html': '<p>'}, raw=True)",
    "h = display('first', display_id='same'); h.update('second')",
    "h = display('a', display_id=True); print('between'); h.update('b'); print('after')",
    "display('x', display_id='twice'); display('y', display_id='twice')",
    "from IPython.display import clear_output\nprint('gone'); clear_output(); print('kept')",
    "from IPython.display import clear_output\nprint('gone'); clear_output(wait=True); print('kept')",
    "from IPython.display import clear_output\nprint('still there'); clear_output(wait=True)",
    "from IPython.display import clear_output\nfor i in range(5):\n    clear_output(wait=True)\n    print('round', i)",
    "class R:\n    def _repr_html_(self): return '<u>r</u>'\nR()",
    "class R:\n    def _repr_mimebundle_(self, **kw): return {'text/plain': 'p', 'application/x-own+json': {'k': 1}}\nR()",
    "class R:\n    def __repr__(self): return 'custom'\nR()",
    "class R:\n    def __repr__(self): raise ValueError('no repr')\nR()",
    "class R:\n    def _ipython_display_(self): print('itself')\nR()",
    "from IPython.display import display_html; display_html('<p>p</p>', raw=True)",
    "print('a'); display('b'); print('c'); display('d'); 'e'",
    "from IPython.display import Pretty; Pretty('plain')",
    "from IPython.display import publish_display_data; publish_display_data({'text/plain': 'p'}, {'k': 1})",
]
SCIENCE = [
    "import pandas as pd; pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})",
    "import pandas as pd; print(pd.Series([1.5, None]))",
    "import pandas as pd; display(pd.DataFrame({'a': range(100)}))",
    "import pandas as pd; pd.DataFrame({'a': [1]}).style.highlight_max()",
    "import numpy as np; np.arange(12).reshape(3, 4)",
    "import matplotlib.pyplot as plt; plt.plot([1, 2, 3])",
    "import matplotlib.pyplot as plt; plt.plot([1, 2, 3]);",
    "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()",
    "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show(); print('after')",
    "import matplotlib.pyplot as plt\nfor i in range(2):\n    plt.figure(); plt.plot([i]); plt.show()",
    "import matplotlib.pyplot as plt; fig, ax = plt.subplots(); ax.bar([1], [2]); plt.close(fig)",
    "import matplotlib.pyplot as plt; fig, ax = plt.subplots(); ax.bar([1], [2]); plt.close(fig); fig",
    "import matplotlib.pyplot as plt; plt.plot([1]); raise ValueError('with a figure')",
    "import matplotlib.pyplot as plt; plt.plot([1]); print('printed after drawing')",
    "import pandas as pd; pd.DataFrame({'a': [1, 2]}).plot();",
]
ERRORS = [
    "1 / 0",
    "print('before'); 1 / 0",
    "def f(x):\n    return 1 / x\n\nf(0)",
    "def f(): g()\ndef g(): raise KeyError('deep')\nf()",
    "undefined_name",
    "a b",
    "print('unclosed'",
    "if True:\nprint(1)",
    "    indented = 1\n  worse = 2",
    "raise ValueError('múltiple\\nlines')",
    "raise RuntimeError",
    "class Own(Exception): pass\nraise Own('mine', 2)",
    "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('chained') from e",
    "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('in handler')",
    "raise ExceptionGroup('many', [ValueError(1), TypeError('t')])",
    "assert 1 == 2, 'unequal'",
    "import nonexistent_module_xyz",
    "{}['key']",
    "'text' + 1",
    "int('x')",
    "open('no/such/file')",
    "e = ValueError('noted'); e.add_note('a note'); raise e",
    "def loop(n): return loop(n + 1)\nloop(0)",
    "eval('1 +')",
    "import json; json.loads('{')",
    "raise KeyboardInterrupt",
    "import sys; sys.exit()",
    "import sys; sys.exit('message')",
    "async def f(): raise OSError('awaited')\nawait f()",
    "class B(BaseException): pass\nraise B('base')",
    "%no_such_magic",
    "%%no_such_cell_magic\nbody",
    "return 1",
    "yield 1",
]
ASYNC = [
    "import asyncio; await asyncio.sleep(0)",
    "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 'awaited'\nawait f()",
    "import asyncio\nawait asyncio.sleep(0.01); print('printed')",
    "import asyncio\nawait asyncio.gather(*(asyncio.sleep(0.01, i) for i in range(3)))",
    "import asyncio\nasync def p(i):\n    print('task', i)\nawait asyncio.gather(p(1), p(2))",
    "async def g():\n    yield 1\n[x async for x in g()]",
    "import asyncio\nasync with asyncio.timeout(1): print('inside')",
    "import asyncio, matplotlib.pyplot as plt\nawait asyncio.sleep(0); plt.plot([1, 2]);",
    "import asyncio\nawait asyncio.to_thread(print, 'from a thread')",
    "import asyncio\nc = asyncio.sleep(0)\ntry:\n    asyncio.run(c)\nexcept RuntimeError as e:\n    c.close(); print(e)",
    "import asyncio\ndisplay('shown'); await asyncio.sleep(0); 'value';",
]
MAGICS = [
    "!echo from the shell",
    "!echo one; echo two 1>&2",
    "!exit 3",
    "files = !echo captured\nfiles",
    "name = 'value'\n!echo {name}",
    "%pwd",
    "%env HOME",
    "%%bash\necho script",
    "%%bash\necho out\necho err 1>&2",
    "%%capture held\nprint('held back')",
    "%%capture held\nprint('held back')\n1/0",
    "%%writefile -a /dev/null\nline",
    "%%time\nsum(range(10))",
    "%%time\nsum(range(10));",
    "%time 1 + 1",
    "%timeit -n1 -r1 1 + 1",
    "%%timeit -n1 -r1\n1 + 1",
    "%precision 3",
    "%%html\n<b>html</b>",
    "%%markdown\n# md",
    "%%python\nprint('other python')",
    "%who_ls no_such_type",
    "%lsmagic ;",
    "len?",
    "x_y_z = 1\n%xdel x_y_z",
    "from IPython.utils.capture import capture_output\nwith capture_output() as c:\n    print('inner')\nc.stdout",
    "import io, contextlib\nwith contextlib.redirect_stdout(io.StringIO()) as s:\n    print('redirected')\ns.getvalue()",
]
PROCESSES = [
    "import os; _ = os.system('echo from os.system')",
    "import subprocess; _ = subprocess.run(['echo', 'from a child'])",
    "import subprocess; subprocess.run(['sh', '-c', 'echo out; echo err 1>&2']).returncode",
    "import subprocess; print(subprocess.run(['echo', 'captured'], capture_output=True, text=True).stdout)",
    "import os; _ = os.write(1, b'raw descriptor\\n')",
    "import os; print('before', flush=True); _ = os.write(2, b'raw err\\n')",
    "import threading\nt = threading.Thread(target=lambda: print('in a thread')); t.start(); t.join()",
    "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as p: list(p.map(print, 'ab'))",
    "import os\npid = os.fork()\nif pid == 0:\n    print('child', flush=True); os._exit(0)\n_ = os.waitpid(pid, 0)",
    "import multiprocessing as m\np = m.get_context('fork').Process(target=print, args=('worker',)); p.start(); p.join()",
    "from tqdm import tqdm\nfor _ in tqdm(range(3), mininterval=0): pass",
]
CORPUS = [*PLAIN, *VALUES, *DISPLAYS, *SCIENCE, *ERRORS, *ASYNC, *MAGICS, *PROCESSES]

_NOISE = [
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"0x[0-9a-f]{6,}"), "0xADDRESS"),
    (re.compile(r"(Cell In\[\d+\]|Step \d+)"), "CODE"),
    (re.compile(r"ipykernel_\d+/\d+\.py"), "FILE"),
    (
        re.compile(r"\((?:[^() ]*\.py|<string>), line (\d+)\)"),
        r"(line \1)",
    ),  # a syntax error does not name a temporary file
    (re.compile(r"\[[\d:]+<[^\]]+\] *"), "[RATE]"),  # tqdm pads a bar to the length of the longest it drew
    (re.compile(r"\d+(\.\d+)?(e[+-]\d+)? ?(ns|μs|us|µs|ms|s)\b"), "TIME"),
    (re.compile(r"^(Compiler|Parser) *: TIME\n", re.MULTILINE), ""),  # %time names them when they are slow
    (re.compile(r"id=\"T_\w+|T_[0-9a-f]{5}"), "STYLE"),
    (re.compile(r"Total: TIME|total: TIME|user TIME, sys: TIME.*"), "TIMES"),
    (re.compile(r"(CODE, line 1, in loop\(n\)\n.*\n\n)+"), "LOOP"),  # a step starts a few frames deeper
    (re.compile(r"PID \d+|pid=\d+"), "PID"),
]


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(set(CORPUS)) == len(CORPUS) >= 120


@pytest.mark.parametrize("code", CORPUS, ids=lambda code: code.replace("\n", "⏎")[:60])
def test_step_shows_what_a_cell_shows(kernel: Kernel, code: str) -> None:
    as_cell = kernel.run(code)
    if code in PROCESSES:
        as_cell += kernel.late()
    failed = any(output["output_type"] == "error" for output in as_cell)  # ipykernel 6 may still call that "ok"
    status = "error" if failed else kernel.reply["status"]

    step = kernel.step(code)

    late = code in PROCESSES  # what a child writes reaches a cell whenever the pipe is read
    assert comparable(list(step.outputs), apart=late) == comparable(as_cell, apart=late)
    assert step.ending == status
    assert told_live(kernel) == comparable(list(step.outputs))


def told_live(kernel: Kernel) -> list[Any]:
    """What the card was told while the step ran, folded as a view folds it."""
    folded: list[dict[str, Any]] = []
    ids: list[str | None] = []
    for output in kernel.evaluate("_told"):
        display_id = output.pop("transient", {}).get("display_id")
        if output["output_type"] == "clear_output":
            folded, ids = [], []
        elif output["output_type"] == "update_display_data":
            for index, known in enumerate(ids):
                if known == display_id:
                    folded[index] |= {"data": output["data"], "metadata": output["metadata"]}
        else:
            folded.append(output)
            ids.append(display_id)
    return comparable(folded)


def comparable(outputs: list[dict[str, Any]], *, apart: bool = False) -> list[Any]:
    """Outputs without what differs between two runs of the same cell. A front end shows stdout and stderr in the order
    of two buffers, so between other outputs each stream is compared as a whole; `apart`: over the whole cell.
    """
    found: list[Any] = []
    streams: dict[str, str] = {}
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
            continue
        if not apart:
            found += sorted((name, quiet(text)) for name, text in streams.items())
            streams = {}
        found.append(_one(output))
    return found + sorted((name, quiet(text)) for name, text in streams.items())


def _one(output: dict[str, Any]) -> Any:
    if output["output_type"] == "error":
        return ("error", output["ename"], quiet(output["evalue"]), quiet("\n".join(output["traceback"])))
    data = {mime: quiet(value) if isinstance(value, str) else value for mime, value in output["data"].items()}
    return (output["output_type"], data, output["metadata"])


def quiet(text: str) -> str:
    for pattern, replacement in _NOISE:
        text = pattern.sub(replacement, text)
    return text
