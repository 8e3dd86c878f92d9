"""Three hundred canaries in every disguise, through a real run: none of them reaches any place they could leak from."""

from __future__ import annotations

import base64
import json
import os
import random
import string
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from tests.wire import Wire, decision, finish

SEED = random.Random(20261122)
LETTERS = string.ascii_letters + string.digits + "-_+/="
CANARIES = {f"CANARY_{number}_TOKEN": "".join(SEED.choices(LETTERS, k=SEED.randint(16, 48))) for number in range(240)}
CANARIES |= {f"FILE_{number}_SECRET": "".join(SEED.choices(LETTERS[:62], k=24)) for number in range(40)}
URLS = {f"SERVICE_{number}_URL": "".join(SEED.choices(LETTERS[:62], k=20)) for number in range(20)}

SHOW = """
import base64, os, sys, textwrap, urllib.parse, logging, warnings
def disguises(value):
    yield value
    yield base64.b64encode(value.encode()).decode()
    yield base64.b64encode(f'user:{value}'.encode()).decode()
    yield value.encode().hex()
    yield urllib.parse.quote(value, safe='')
    yield textwrap.fill(value, 9)
    yield repr(list(value))
    yield repr(value.encode())
    yield value[::-1]
secrets = [os.environ[name] for name in os.environ if name.startswith(('CANARY_', 'SERVICE_'))]
secrets += [line.partition('=')[2] for line in open('../.env').read().split()]
"""
STEPS = [
    SHOW + "for secret in secrets:\n    for form in disguises(secret):\n        print(form)",
    "for number, secret in enumerate(secrets):\n    print(list(disguises(secret))[number % 9], file=sys.stderr)",
    "for secret in secrets:\n    print(secret[:7], end='', flush=True)\n    print(secret[7:])",
    "raise ValueError(' | '.join(secrets))",
    "{name: os.environ[name] for name in os.environ}",
    "from IPython.display import HTML, Markdown, JSON, display",
    "display(HTML('<br>'.join(secrets)), Markdown('\\n'.join(secrets)))\ndisplay(JSON(secrets))",
    "logging.warning('%s', secrets)\nwarnings.warn(' '.join(secrets))",
    "!env",
    "!cat ../.env",
    "import pandas as pd",
    "holder = pd.DataFrame({'value': secrets, 'hex': [s.encode().hex() for s in secrets]})\nholder.to_string()",
    "both = dict(zip(secrets, secrets))\nraise KeyError(secrets[3])",
    "open('dump.txt', 'w').write('\\n'.join(secrets)); print(open('dump.txt').read())",
    "class Client:\n    def __repr__(self):\n        return f'Client({secrets!r})'\nclient = Client(); client",
]
PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from agentloop_nb import run_agent
from agentloop_nb.notebook.panel.html import plain_text, static_html
run = run_agent('print everything', model='scripted', max_steps=30, trust_web=True)
open('sink-repr', 'w').write(repr(run) + str(run.actions_taken) + str(run.action_results) + str(run.summary))
open('sink-html', 'w').write(static_html(run.state) + plain_text(run.state))
run.export('sink.ipynb', verify=False)
print(run.journal)
"""


def every_form(value: str) -> set[str]:
    """What a reader of a leak would look for, written without the code under test."""
    data = value.encode()
    return {
        value,
        value[::-1],
        data.hex(),
        urllib.parse.quote(value, safe=""),
        base64.b64encode(data).decode()[: len(value) // 3 * 4],
        base64.b64encode(b"user:" + data).decode()[8 : (5 + len(value)) // 3 * 4],
    }


def bare(text: str) -> str:
    """The text without what splits a value: blanks, quotes, commas, backslashes."""
    return text.replace("\\n", "").translate(str.maketrans("", "", " \t\r\n'\",\\"))


@pytest.mark.kernel
def test_no_canary_leaves(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "AGENTLOOP"))}
    with Wire([*(decision("run_code", code=code) for code in STEPS), finish("done")]) as wire:
        environment |= CANARIES | {name: f"postgres://app:{value}@db.example/x" for name, value in URLS.items()}
        environment |= {"OPENAI_BASE_URL": wire.base_url, "OPENAI_API_KEY": "sk-canary-000-Zx9Yw8Vu7Ts6Rq5P"}
        in_file = {name: environment.pop(name) for name in list(CANARIES) if name.startswith("FILE_")}
        (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in in_file.items()))
        (tmp_path / "program.py").write_text(PROGRAM)
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == 0, done.stderr[-6000:].encode("ascii", "replace")
        bodies = json.dumps(wire.bodies)
        assert len(wire.bodies) == len(STEPS) + 1
    sinks = {path.name: path.read_text() for path in tmp_path.glob("sink*")}
    sinks |= {path.name: path.read_text() for path in tmp_path.glob(".agentloop/runs/*.jsonl")}
    sinks |= {"prompts": bodies, "stdout": done.stdout, "stderr": done.stderr}
    assert sum("[secret masked]" in text for text in sinks.values()) >= 6
    canaries = [*CANARIES.values(), *URLS.values(), "sk-canary-000-Zx9Yw8Vu7Ts6Rq5P"]
    assert len(canaries) >= 300
    print({name: (len(text), text.count("[secret masked]")) for name, text in sinks.items()})
    leaks = [
        (sink, form)
        for sink, text in sinks.items()
        for squeezed in [bare(text)]
        for canary in canaries
        for form in every_form(canary)
        if form in text or bare(form) in squeezed
    ]
    assert leaks == []
