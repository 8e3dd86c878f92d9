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


CAME_UP = {name: "".join(SEED.choices(LETTERS[:62], k=24)) for name in ("file", "prompt", "vault", "engine", "client")}
CAME_UP |= {name: "".join(SEED.choices(LETTERS[:62], k=24)) for name in ("environment", "nested", "header")}
BRINGING = [
    "import getpass, vault\nanswer = getpass.getpass()\nprint(answer)",
    "word = vault.get_password('service', 'me')\nprint('it is', word)",
    "api_key = open('key.txt').read().strip()\nprint(api_key[:12])\nprint(api_key[12:])\napi_key",
    "import base64\nengine = vault.create_engine()\nprint(base64.b64encode(engine.url.password.encode()))\nengine",
    "client = vault.Client()\nraise PermissionError(f'refused: {client}')",
    "import os\nos.environ['SOME_TOKEN'] = vault.TOKEN\n!echo $SOME_TOKEN",
    "settings = {'name': 'x', 'service': {'password': vault.NESTED}}\nsettings",
    "headers = {'Authorization': 'Bearer', 'X-Api-Key': vault.HEADER}\nprint(str(headers).encode().hex())",
    "print(answer[::-1], word, api_key, engine.url, vars(client), settings, headers)",
]
VAULT = """
import getpass
from typing import NamedTuple
class URL(NamedTuple):
    drivername: str
    password: str
class Engine:
    def __init__(self, url): self.url = url
    def __repr__(self): return f'Engine(postgresql://app:{self.url.password}@db/x)'
def create_engine(): return Engine(URL('postgresql', 'ENGINE_VALUE'))
def get_password(service, user): return 'VAULT_VALUE'
class Client:
    def __init__(self): self._access_token = 'CLIENT_VALUE'
    def __repr__(self): return self._access_token
TOKEN, NESTED, HEADER = 'ENVIRONMENT_VALUE', 'NESTED_VALUE', 'HEADER_VALUE'
getpass.getpass = lambda prompt='': 'PROMPT_VALUE'
"""


@pytest.mark.kernel
def test_no_canary_leaves(tmp_path: Path) -> None:
    in_environment = CANARIES | {name: f"postgres://app:{value}@db.example/x" for name, value in URLS.items()}
    in_file = {name: in_environment.pop(name) for name in list(CANARIES) if name.startswith("FILE_")}
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in in_file.items()))
    sinks = all_sinks(tmp_path, STEPS, in_environment)
    assert sum("[secret masked]" in text for text in sinks.values()) >= 6
    canaries = [*CANARIES.values(), *URLS.values(), "sk-canary-000-Zx9Yw8Vu7Ts6Rq5P"]
    assert len(canaries) >= 300
    assert leaks(sinks, canaries) == []


@pytest.mark.kernel
def test_no_canary_leaves_that_comes_up_in_the_middle_of_a_run(tmp_path: Path) -> None:
    vault = VAULT
    for name, value in CAME_UP.items():
        vault = vault.replace(f"{name.upper()}_VALUE", value)
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "vault.py").write_text(vault)
    (tmp_path / "output" / "key.txt").write_text(CAME_UP["file"])
    sinks = all_sinks(tmp_path, BRINGING, {})
    assert sum("[secret masked]" in text for text in sinks.values()) >= 5
    assert leaks(sinks, list(CAME_UP.values())) == []


def all_sinks(folder: Path, steps: list[str], secrets: dict[str, str]) -> dict[str, str]:
    """Run the code of these steps, and return the text of every place that something may leak to."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "AGENTLOOP"))}
    with Wire([*(decision("run_code", code=code) for code in steps), finish("done")]) as wire:
        environment |= secrets | {"OPENAI_API_KEY": "sk-canary-000-Zx9Yw8Vu7Ts6Rq5P"}
        environment |= {"OPENAI_BASE_URL": wire.base_url, "PYTHONPATH": str(Path.cwd())}
        (folder / "program.py").write_text(PROGRAM)
        done = subprocess.run(
            [sys.executable, "program.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=110
        )
        assert done.returncode == 0, done.stderr[-6000:].encode("ascii", "replace")
        bodies = json.dumps(wire.bodies)
        assert len(wire.bodies) == len(steps) + 1
    sinks = {path.name: path.read_text() for path in folder.glob("sink*")}
    sinks |= {path.name: path.read_text() for path in folder.glob(".agentloop/runs/*.jsonl")}
    return sinks | {"prompts": bodies, "stdout": done.stdout, "stderr": done.stderr}


def leaks(sinks: dict[str, str], canaries: list[str]) -> list[tuple[str, str]]:
    """Where canaries are found, in any of the forms they may have."""
    return [
        (sink, form)
        for sink, text in sinks.items()
        for squeezed in [bare(text)]
        for canary in canaries
        for form in every_form(canary)
        if form in text or bare(form) in squeezed
    ]
