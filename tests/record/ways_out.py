"""Ways to read what lies outside of a notebook's folder, each as a cell that shows what it got."""

from __future__ import annotations

import sqlite3
from pathlib import Path

LEFT = "agentloop-left-by-somebody.txt"
"""A file that an earlier process left in the folder for temporary files."""


def lay_out(base: Path) -> Path:
    """Make things to be read around a working folder, and return that folder."""
    work = base / "work"
    for name in ("work", "data", "home/.config", "away"):
        (base / name).mkdir(parents=True)
    (base / "home/.config/tool.ini").write_text("[a]\nb = 1\n")
    for name in ("outside.txt", "data/a.txt", "home/notes.txt", "away/b.txt"):
        (base / name).write_text(f"what {name} says\n")
    (base / "data/sales.csv").write_text("month,amount\nJan,1\nFeb,2\n")
    (base / "data/x.json").write_text('{"a": [1, 2]}')
    (base / "away_module.py").write_text("VALUE = 'from away'\n")
    with sqlite3.connect(base / "data/s.db") as made:
        made.execute("create table t (n)")
        made.execute("insert into t values (41)")
    return work


PYTHON = r"""
print(open('../outside.txt').read())
import io; print(io.open('../outside.txt').read())
import os; print(os.read(os.open('../outside.txt', os.O_RDONLY), 99))
import codecs; print(codecs.open('../outside.txt', encoding='utf-8').read())
from pathlib import Path; print(Path('../outside.txt').read_text())
from pathlib import Path; print(Path('../outside.txt').read_bytes())
from pathlib import Path; print(Path.cwd().parent.joinpath('outside.txt').read_text())
import linecache; print(linecache.getline('../outside.txt', 1))
import fileinput; print(list(fileinput.input('../outside.txt')))
import tokenize; print(tokenize.open('../away_module.py').read())
import configparser; print(configparser.ConfigParser().read(os.path.expanduser('~/.config/tool.ini')))
import mmap; f = open('../outside.txt', 'rb'); print(mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:])
import os; print(os.listdir('..') and sorted(os.listdir('..')))
import os; print(sorted(e.name for e in os.scandir('../data')))
import os; print(sorted(n for _, _, names in os.walk('..') for n in names))
import glob; print(sorted(glob.glob('../data/*.csv')))
import glob; print(sorted(glob.iglob('../**/*.txt', recursive=True)))
from pathlib import Path; print(sorted(p.name for p in Path('..').iterdir()))
from pathlib import Path; print(sorted(p.name for p in Path('..').glob('*.txt')))
from pathlib import Path; print(sorted(p.name for p in Path('..').rglob('*.csv')))
import os; print(os.stat('../outside.txt').st_size)
import os; print(os.lstat('../outside.txt').st_size)
import os; print(os.path.exists('../outside.txt'))
import os; print(os.path.isdir('../data'), os.path.isfile('../outside.txt'))
import os; print(os.path.getsize('../outside.txt'))
import os; print(os.access('../outside.txt', os.R_OK))
import posix; print(posix.stat('../outside.txt').st_size)
from pathlib import Path; print(Path('../data').is_dir(), Path('../data/a.txt').exists())
import shutil; print(Path(shutil.copy('../outside.txt', 'copied.txt')).read_text())
import shutil; print(sorted(os.listdir(shutil.copytree('../data', 'copied'))))
import os; os.symlink('../outside.txt', 'link1'); print(open('link1').read())
import os; os.link('../outside.txt', 'link2'); print(open('link2').read())
import os; os.symlink('..', 'up'); print(sorted(os.listdir('up')))
import os; d = os.open('..', os.O_RDONLY); print(os.read(os.open('outside.txt', os.O_RDONLY, dir_fd=d), 99))
import os; os.chdir('../data'); t = open('a.txt').read(); os.chdir('../work'); print(t)
import os; print(open(os.path.expanduser('~/notes.txt')).read())
from pathlib import Path; print((Path.home() / 'notes.txt').read_text())
import os; print(open(os.environ['HOME'] + '/.config/tool.ini').read())
import tempfile; print(open(os.path.join(LEFT_FOLDER, 'LEFT')).read())
import os; print(os.path.exists(os.path.join(LEFT_FOLDER, 'LEFT')))
import os; print('LEFT' in os.listdir(LEFT_FOLDER))
import sqlite3; print(sqlite3.connect('../data/s.db').execute('select * from t').fetchall())
import sqlite3; print(sqlite3.connect('file:../data/s.db?mode=ro', uri=True).execute('select * from t').fetchall())
import sqlite3; db = sqlite3.connect(':memory:'); db.execute("attach '../data/s.db' as o"); print(db.execute('select * from o.t').fetchall())
import pandas as pd; print(pd.read_csv('../data/sales.csv'))
import pandas as pd; print(pd.read_csv('../data/sales.csv', memory_map=True))
import pandas as pd; print(pd.read_json('../data/x.json'))
import numpy as np; print(np.fromfile('../outside.txt', dtype='u1'))
import numpy as np; print(np.memmap('../outside.txt', dtype='u1', mode='r')[:5])
import numpy as np; print(np.loadtxt('../data/sales.csv', delimiter=',', dtype=str))
import sys; sys.path.insert(0, '..'); import away_module; print(away_module.VALUE); sys.path.pop(0); None
import runpy; print(runpy.run_path('../away_module.py')['VALUE'])
import importlib.util as u; s = u.spec_from_file_location('m2', '../away_module.py'); m = u.module_from_spec(s); s.loader.exec_module(m); print(m.VALUE)
exec(open('../away_module.py').read()); print(VALUE)
import ctypes; c = ctypes.CDLL(None); b = ctypes.create_string_buffer(99); print(c.read(c.open(b'../outside.txt', 0), b, 99), b.value)
import ctypes; print(ctypes.CDLL(None).access(b'../outside.txt', 4))
import ctypes; c = ctypes.CDLL(None); print(bool(c.opendir(b'../data')))
import _io; print(_io.FileIO('../outside.txt').read())
import urllib.request; print(urllib.request.urlopen('file://' + os.path.abspath('../outside.txt')).read())
import zipimport, subprocess; print(subprocess.check_output(['cat', '../outside.txt']))
import subprocess; print(subprocess.run('cat ../outside.txt', shell=True, capture_output=True).stdout)
import subprocess; print(subprocess.run('ls ..', shell=True, capture_output=True, text=True).stdout)
import subprocess; print(subprocess.run('test -e ../outside.txt', shell=True).returncode)
import subprocess; print(subprocess.run(['bash', '-c', 'echo $(<../outside.txt)'], capture_output=True).stdout)
import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', "print(open('../outside.txt').read())"]))
import subprocess, sys; print(subprocess.check_output([sys.executable, '-I', '-c', "print(open('../outside.txt').read())"]))
import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', "import os; print(os.path.exists('../outside.txt'))"]))
import subprocess, sys; print(subprocess.check_output([sys.executable, '-S', '-c', "import os; print(os.stat('../outside.txt').st_size)"]))
import subprocess; print(subprocess.run(['bash'], input=b'cat ../outside.txt', capture_output=True).stdout)
import subprocess; print(subprocess.run(['cat'], stdin=open('../outside.txt'), capture_output=True).stdout)
import os; print(os.popen('cat ../outside.txt').read())
import os; print(os.system('test -e ../outside.txt'))
import os; print(os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn('/usr/bin/test', ['test', '-e', '../outside.txt'], os.environ), 0)[1]))
import os; print(os.spawnlp(os.P_WAIT, 'test', 'test', '-e', '../outside.txt'))
import subprocess; print(subprocess.check_output(['find', '..', '-name', '*.txt', '-newermt', '2000-01-01']).split().__len__())
import subprocess; print(subprocess.check_output(['awk', '{print}', '../outside.txt']))
import subprocess; print(subprocess.check_output('head -1 "$HOME/notes.txt"', shell=True))
import subprocess; print(subprocess.check_output('cd .. && cat outside.txt', shell=True))
import concurrent.futures as cf; print(list(cf.ThreadPoolExecutor().map(lambda p: open(p).read(), ['../outside.txt'])))
import multiprocessing as mp; q = mp.get_context('fork').SimpleQueue(); p = mp.get_context('fork').Process(target=lambda: q.put(os.path.exists('../outside.txt'))); p.start(); p.join(); print(q.get())
import asyncio; p = await asyncio.create_subprocess_exec('cat', '../outside.txt', stdout=-1); print((await p.communicate())[0])
import os; print(open('/proc/self/cwd/../outside.txt').read())
import os; print(open('/proc/meminfo').read() > '')
import os; print(len(open('/proc/cpuinfo').read()))
print(open('/etc/hostname').read() > '')
import os; print(open('/etc/passwd').read())
import socket; print(socket.create_connection(('127.0.0.1', PORT), 3).recv(9))
import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:PORT2/').status)
import subprocess; print(subprocess.run(['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/PORT; head -c 5 <&3'], capture_output=True).stdout)
files = !ls ..\nprint(files)
text = !cat ../outside.txt\nprint(text)
!cat ../outside.txt
!ls ../data
%%bash\ncat ../outside.txt
%%sh\nls ..
%ls ..
%cat ../outside.txt
%run ../away_module.py\nprint(VALUE)
%load_ext autoreload\nprint(Path('../outside.txt').stat().st_size)
import pandas as pd; print(pd.read_sql('select * from t', sqlite3.connect('../data/s.db')))
import cProfile, pstats; print(open('../data/../outside.txt').read())
import filecmp; print(filecmp.dircmp('..', '../data').left_only)
import hashlib; print(hashlib.file_digest(open('../outside.txt', 'rb'), 'md5').hexdigest())
import zipfile; print(zipfile.is_zipfile('../outside.txt'), os.path.lexists('../outside.txt'))
import shutil; print(shutil.which('outside.txt', mode=os.F_OK, path='..'))
"""

WAYS = [line.replace("\\n", "\n") for line in PYTHON.strip().splitlines()]
