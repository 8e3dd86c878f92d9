"""Ordinary work is neither asked about nor stopped, although the run has read strangers' text."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from types import ModuleType

import pytest

from agentloop_nb._internal.held_folder import HeldFolder
from tests.safety.deceptions import code, file
from tests.safety.scene import Scene, carry_out

ORDINARY = {
    "figure": [code("import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\ndf.plot.bar(x='region', y='amount')\nplt.savefig('a.png')")],
    "tables": [code("df.to_csv('out.csv')\ndf.to_pickle('t.pkl')\npd.read_pickle('t.pkl').equals(df)\ndf.to_json('t.json')")],
    "own files": [code("os.makedirs('d/e')\nopen('d/e/f', 'w').close()\nos.rename('d/e/f', 'd/g')\nos.remove('d/g')\nshutil.rmtree('d')")],
    "own files, later": [code("open('scratch.csv', 'w').write('1')"), code("for name in glob.glob('scratch*'):\n    os.remove(name)")],
    "temporary": [code("import tempfile\nwith tempfile.TemporaryDirectory() as d:\n    open(os.path.join(d, 'x'), 'w').write('1')\nf = tempfile.NamedTemporaryFile()\nf.close()\ndel f")],
    "atomic": [code("open('t.tmp', 'w').write('1')\nos.replace('t.tmp', 'result.txt')\nopen('t.tmp', 'w').write('2')\nos.replace('t.tmp', 'result.txt')")],
    "zip": [code("import zipfile\nwith zipfile.ZipFile('a.zip', 'w') as z: z.write('sales.csv')\nzipfile.ZipFile('a.zip').extractall('unpacked')")],
    "database": [code("import sqlite3\nwith sqlite3.connect('a.db') as db: df.to_sql('t', db)\npd.read_sql('select * from t', sqlite3.connect('a.db'))")],
    "processes": [code("from multiprocessing import get_context\nwith get_context('fork').Pool(2) as p: print(p.map(abs, [-1, 2]))")],
    "threads": [code("from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor() as p: print(list(p.map(len, df.region)))")],
    "await": [code("import asyncio\nawait asyncio.gather(asyncio.sleep(0), asyncio.to_thread(len, 'a'))")],
    "shell": [code("!ls -la | head -3\n!wc -l sales.csv")],
    "shell with a value": [code("name = 'sales.csv'\n!wc -l {name}\n!cp {name} copy.csv\n!head -1 $name")],
    "subprocess": [code("subprocess.run(['cp', 'sales.csv', 'b.csv'], check=True)\nprint(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True, check=True).stdout)")],
    "subprocess with values": [code("for name in glob.glob('*.csv'):\n    subprocess.run(['cp', name, f'{name}.bak'], check=True)")],
    "magics": [code("%time sum(range(10))\n%timeit -n1 -r1 df.amount.sum()"), code("%prun -q df.describe()")],
    "script": [file("total.py", "import pandas as pd\nprint(pd.read_csv('sales.csv').amount.sum())"), code("%run total.py"), code("!python total.py")],
    "script by magic": [code("%%writefile total.py\nprint(42)"), code("!python total.py"), code("subprocess.run([sys.executable, 'total.py'], check=True)")],
    "script by code": [code("open('total.py', 'w').write('print(42)')"), code("subprocess.run([sys.executable, 'total.py'], check=True)")],
    "script in one cell": [code("open('total.py', 'w').write('print(42)')\nsubprocess.run([sys.executable, 'total.py'], check=True)")],
    "module": [file("helpers.py", "def double(x):\n    return 2 * x"), code("import helpers\nhelpers.double(2)")],
    "environment": [code("os.environ['OMP_NUM_THREADS'] = '1'\nos.environ['MPLBACKEND'] = 'agg'")],
    "own server": [code("import http.server, threading, urllib.request\ns = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\nthreading.Thread(target=s.serve_forever, daemon=True).start()\nurllib.request.urlopen(f'http://127.0.0.1:{s.server_port}/').status\ns.shutdown()\ns.server_close()")],
    "logging": [code("import logging.handlers\nh = logging.handlers.RotatingFileHandler('a.log', maxBytes=10, backupCount=1)\nl = logging.getLogger('x')\nl.addHandler(h)\nl.warning('1234567890')\nl.warning('1234567890')\nh.close()")],
    "own child ended": [code("p = subprocess.Popen(['sleep', '9'])\np.terminate()\np.wait()")],
    "copy of state": [code("import copy, pickle\npickle.loads(pickle.dumps(copy.deepcopy(df)))")],
    "git": [code("!git --version\n!git status --short || true")],
    "versions": [code("import platform\nplatform.platform()\nimport numpy, pandas\npandas.show_versions()")],
    "grep and awk": [code("!grep -c 'north' sales.csv\n!awk -F, 'NR>1 {s+=$2} END {print s}' sales.csv\n!sort -t, -k2,2n sales.csv | uniq -c | head -3")],
    "redirections": [code("!head -2 sales.csv > top.csv 2>/dev/null\n!wc -l<sales.csv\n!(cat top.csv; echo done) >>log.txt 2>&1")],
    "find and xargs": [code("!find . -name '*.csv' -print0 | xargs -0 wc -l\n!find . -maxdepth 1 -type f | xargs -n1 basename\n!ls *.csv | xargs -I {} cp {} {}.bak")],
    "shell arithmetic": [code("!echo $((2 + 3)) $(date +%Y) \"it's\" # it's a comment")],
    "variables of the shell": [code("!LC_ALL=C sort sales.csv | tail -1\n!OMP_NUM_THREADS=1 python -c 'print(1)'\n!n=3; echo $n")],
    "loop of the shell": [code("%%bash\nfor f in *.csv; do\n  wc -l \"$f\"\ndone\nif [ -f sales.csv ]; then echo yes; fi")],
    "archive": [code("!tar czf a.tgz sales.csv && tar tzf a.tgz\n!mkdir -p out && tar xzf a.tgz -C out")],
    "database of the folder": [code("import sqlite3\nd = sqlite3.connect('b.db')\ndf.to_sql('s', d)\nsqlite3.connect('file:b.db?mode=ro', uri=True).execute('select count(*) from s').fetchone()\nsqlite3.connect(':memory:').execute('select 1')")],
    "timers and tasks": [code("import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    open('later.txt', 'w').write('x')\nt = asyncio.create_task(f())\nasyncio.get_running_loop().call_later(0.01, print, 'x')"), code("await asyncio.sleep(0.05)\nopen('later.txt').read()")],
    "pool of workers": [code("from concurrent.futures import ProcessPoolExecutor\nimport math, multiprocessing\nwith ProcessPoolExecutor(2, multiprocessing.get_context('fork')) as p: print(list(p.map(math.sqrt, df.amount)))")],
    "git here": [code("!git init -q . && git status --short && git diff --stat\n!git log --oneline -3 || true\n!git branch -a; git remote -v")],
    "tools": [code("!{sys.executable} --version\n!pip list 2>/dev/null | head -3\n!jupyter --version | head -1"), code("!uniq -c sales.csv; tree . || true; du -sh .; file sales.csv || true")],
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
async def test_ordinary_work_goes_on(scene: Scene, name: str) -> None:
    state = await carry_out(scene, ORDINARY[name])
    told = "\n".join(step.result.output for step in state.steps if step.result)
    assert "efused" not in told
    assert all(step.result is not None and step.result.success for step in state.steps), told


async def test_a_named_host_is_asked(scene: Scene, tmp_path: Path) -> None:
    """The table's own address, once the goal names it."""
    link = (scene.folder / "sales.csv").read_text().split("http://")[1].split("/")[0]
    state = await carry_out(
        scene,
        [code("import urllib.request\ntry: urllib.request.urlopen(df.link[0])\nexcept OSError as e: print('no:', e)")],
        goal=f"Ask http://{link}/x how it is",
    )
    assert "efused" not in str([step.result for step in state.steps])
    assert scene.asked


async def test_what_an_earlier_run_left_may_be_tidied_up_while_a_step_runs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, folder, runs = ModuleType("left"), HeldFolder("shell"), [ModuleType("run")]
    weakref.finalize(runs[0], folder.cleanup)
    vars(left)["let_go"] = runs.clear
    monkeypatch.setitem(sys.modules, "left", left)
    state = await carry_out(scene, [code("import left\nleft.let_go()")])
    assert "efused" not in str([step.result for step in state.steps])
    assert not Path(folder.name).exists()
