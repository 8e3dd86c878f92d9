"""Exports give nothing away: folders with secrets in many places, of which none leaves."""

from __future__ import annotations

import base64
import gzip
import io
import json
import urllib.parse
import zipfile
from pathlib import Path

import pytest

from agentloop_nb.errors import UserError
from agentloop_nb.export import share
from agentloop_nb.export.leftout import replaced
from agentloop_nb.export.session_export import export_session
from agentloop_nb.record import journal
from agentloop_nb.safety.secret_files import looks_secret, why_secret
from agentloop_nb.verify.certified_export import publish, publish_report
from tests.record.made import finished, printed, started, step

SECRET = "Tz9qLm4vXw8rKd2pYb6n"


def zipped(text: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sheet.xml", text)
    return made.getvalue()


FOLDERS: dict[str, str | bytes] = {
    ".env": f"API_TOKEN={SECRET}\n",
    ".env.production": f"export DB_PASSWORD='{SECRET}'\n",
    "prod.env": f"KEY={SECRET}",
    ".envrc": f"export X={SECRET}",
    "conf/.env.local": f"SECRET={SECRET}",
    "id_rsa": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET * 3}\n-----END OPENSSH PRIVATE KEY-----\n",
    "server.pem": f"-----BEGIN PRIVATE KEY-----\n{SECRET * 3}\n-----END PRIVATE KEY-----",
    "deploy.key": SECRET,
    "cert.p12": SECRET.encode() + b"\0\1",
    "token.txt": SECRET,
    "api_key.txt": SECRET + "\n",
    "access-token.json": json.dumps({"value": SECRET}),
    "credentials.json": json.dumps({"installed": {"client": SECRET}}),
    "aws-credentials": f"[default]\naws_secret_access_key = {SECRET}",
    ".aws/config": f"x = {SECRET}",
    ".netrc": f"machine a login b password {SECRET}",
    ".pypirc": f"[pypi]\npassword: {SECRET}",
    ".git-credentials": f"https://ada:{SECRET}@example.org",
    "cookies.txt": f"a.example\tTRUE\t/\tsid\t{SECRET}",
    "cookies.sqlite": f"sid{SECRET}".encode(),
    "login.keyring": SECRET,
    "secrets.toml": f'[a]\nb = "{SECRET}"',
    ".streamlit/secrets.toml": f'key = "{SECRET}"',
    "service-account-7.json": json.dumps({"private_key_id": SECRET}),
    "passwords.csv": f"site,login\na,{SECRET}",
    "config.json": json.dumps({"db": {"host": "h", "password": SECRET}}),
    "config.yaml": f"db:\n  host: h\n  password: {SECRET}\n",
    "settings.ini": f"[db]\npasswd = {SECRET}\n",
    "app.toml": f'client_secret = "{SECRET}"\n',
    "db.properties": f"db.password={SECRET}\n",
    "web.config": f"<a><password>{SECRET}</password></a>",
    "url.txt": f"postgresql://ada:{SECRET}@db.example/x",
    "conn.txt": f"Server=x;Password={SECRET};",
    "headers.json": json.dumps({"Authorization": f"Bearer {SECRET}"}),
    "helper.py": f'API_KEY = "{SECRET}"\n',
    "users.csv": f"name,password\nada,{SECRET}\n",
    "old.ipynb": json.dumps({"cells": [{"source": [f'client(api_key="{SECRET}")']}]}),
    "book.xlsx": zipped(f"<password>{SECRET}</password>"),
    "log.txt.gz": gzip.compress(f"auth_token={SECRET}".encode()),
    "events.jsonl": json.dumps({"a": 1}) + "\n" + json.dumps({"api_key": SECRET}),
    "wide.txt": f"password={SECRET}".encode("utf-16"),
    "github.txt": "ghp_" + "a1B2" * 9,
}


def shared(work: Path, name: str, code: str, destination: Path, output: str = "3\n"):
    result = printed(output).with_effects(files_read=(name,))
    record = journal.Journal.create(work, "20261122-101500-3fa2")
    for event in [started(goal="Sum it up"), *step(1, "run_code", result, code=code), *finished(2)]:
        record.append(event)
    record.close()
    return publish(record.path, destination, shared=True, check=False)


def forms(secret: str) -> list[bytes]:
    data = secret.encode()
    made = [data, data[::-1], data.hex().encode(), urllib.parse.quote(secret, safe="").encode()]
    return [*made, base64.b64encode(data).rstrip(b"="), base64.b32encode(data).rstrip(b"=")]


def all_bytes(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("name", FOLDERS)
def test_no_secret_file_leaves(tmp_path, name):
    content = FOLDERS[name]
    work, given = tmp_path / "work", tmp_path / "given"
    (work / name).parent.mkdir(parents=True)
    (work / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (work / "n.csv").write_text("1\n2\n")
    published = shared(work, name, f"n = open('n.csv').read()\nkey = open({name!r}).read()\nprint(3)", given)
    assert not (given / name).exists()
    assert (given / "n.csv").is_file(), "an ordinary input still goes along"
    whole = all_bytes(given)
    assert not any(form in whole for form in forms(SECRET))
    assert published.left_out == (name,)
    assert name in published.told
    notebook = json.loads((given / "run.ipynb").read_text())
    assert [file["path"] for file in notebook["metadata"]["agentloop"]["inputs"]] == ["n.csv"]
    source = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["id"] == "step-1-code")
    assert "key = None  # fill this in" in source
    assert "n = open('n.csv').read()" in source


ORDINARY: dict[str, str] = {
    "sales.csv": "month,amount\nJan,100\n",
    "tokens.csv": "token,count\nthe,100\n",
    "token_counts.csv": "word,count\nthe,100\n",
    "cookies.csv": "kind,sold\nginger,7\n",
    "params.yaml": "max_tokens: 4096\nmodel: linear\nprimary_key: customer_id\n",
    "config.json": '{"rows": 10, "key": "customer_id", "author": "Ada Lovelace"}',
    "tokenizer.json": '{"vocab": {"a": 1}}',
    "keyboard.txt": "qwerty",
    "monkeys.txt": "monkey=banana\n",
    "helper.py": "password = getpass()\napi_key = os.environ['API_KEY']\n",
    ".env.example": "API_TOKEN=\n",
    "id_rsa.pub": "ssh-rsa AAAAB3NzaC1yc2E ada@example",
    "data.tsv": "id\tgene\n1\tBRCA1\n",
    "authors.txt": "Ada Lovelace\n",
    "notes.md": "Forgot the password? Ask the secretary.\n",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_inputs_go_along(name):
    assert why_secret(name, ORDINARY[name].encode(), lambda text: False) == ""


def zipped(*members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number, member in enumerate(members):
            archive.writestr(str(number), member)
    return made.getvalue()


PLAIN = b"id = AKIAIOSFODNN7ABCDEFG"
ARCHIVES = {
    "in an archive of an archive": zipped(zipped(PLAIN)),
    "in a compressed archive": gzip.compress(zipped(PLAIN)),
    "compressed in an archive": zipped(gzip.compress(PLAIN)),
    "in the second stream": gzip.compress(b"x") + gzip.compress(PLAIN),
    "behind a damaged member": zipped(b"damaged", PLAIN).replace(b"damaged", b"DAMAGED"),
    "behind a script": b"#!/bin/sh\n" + zipped(gzip.compress(PLAIN)),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_are_looked_into(name):
    assert why_secret("data.bin", ARCHIVES[name], lambda text: False)


def test_what_another_file_holds_is_a_secret_in_this_one_too(tmp_path):
    work, given = tmp_path / "work", tmp_path / "given"
    work.mkdir()
    (work / ".env").write_text(f"API_TOKEN={SECRET}")
    (work / "log.txt").write_text("GET /?q=" + base64.b64encode(SECRET.encode()).decode())
    code = "a = open('.env').read()\nb = open('log.txt').read()\nprint(3)"
    published = shared(work, ".env", code, given, output=f"it was {SECRET} and {SECRET.encode().hex()}\n")
    assert set(published.left_out) == {".env", "log.txt"}
    assert not any(form in all_bytes(given) for form in forms(SECRET))


def test_a_finished_folder_with_a_secret_is_taken_away(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "deep.txt").write_text(SECRET.encode().hex())
    from agentloop_nb.export import Hiding

    hiding = Hiding(lambda text: text)
    hiding.learn([SECRET])
    with pytest.raises(UserError, match=r"deep\.txt"):
        share.refuse_leaks(folder, hiding.hides)
    assert not folder.exists()


READERS = {
    "load_dotenv('.env')": "pass  #",
    "from dotenv import load_dotenv\nload_dotenv()": "pass  #",
    "with open('.env') as f:\n    key = f.read()": "key = None  #",
    "key, other = Path('.env').read_text().split()": "other = None  #",
    "cfg = dotenv_values()": "cfg = None  #",
    "text: str = open('./.env').read()": "text = None  #",
    "x = 1\nfor line in open('.env'):\n    k, v = line.split('=')\ny = 2": "v = None  #",
    "key = !cat .env": "key = None  #",
    "!cat .env": "pass  #",
    "%%bash\ncat .env": "# left out",
    "if (k := open('.env').read()):\n    print(1)": "k = None  #",
}


@pytest.mark.parametrize("source", READERS)
def test_a_reader_becomes_a_placeholder(source):
    made = replaced(source, {".env": "it looks like a secret file"})
    assert READERS[source] in made
    assert "open('" not in made
    assert "cat .env" not in made.replace("'cat .env'", "").replace("# left out: this line reads", "")
    if not source.startswith("%%"):
        compile(made, "<made>", "exec")


def test_code_that_reads_no_such_file_stays():
    source = "x = open('a.csv')\n\n!ls\nprint('environment')"
    assert replaced(source, {".env": "why"}) == source


@pytest.mark.parametrize("name", ["a/.ssh/known", "secrets/a.txt", ".kube/config", "x/client_secret_1.json"])
def test_folders_of_secrets(name):
    assert looks_secret(name)


WRITERS = {
    "run.ipynb": lambda record, out: publish(record, out, check=False),
    "minimal.ipynb": lambda record, out: publish(record, out, minimal=True, check=False),
    "run.py": lambda record, out: publish(record, out, check=False),
    "run.html": lambda record, out: publish_report(record, out, check=False),
    "run.md": lambda record, out: publish_report(record, out, check=False),
    "session.ipynb": lambda record, out: export_session([record], out, folder=record.parents[2]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_no_way_of_exporting_gives_a_secret_of_all_these_files_away(tmp_path, name):
    """One run that read every file of the corpus, and showed what it found."""
    work, given = tmp_path / "work", tmp_path / "given"
    given.mkdir()
    for file, content in FOLDERS.items():
        (work / file).parent.mkdir(parents=True, exist_ok=True)
        (work / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    code = "\n".join(f"key_{number} = open({file!r}, 'rb').read()" for number, file in enumerate(FOLDERS))
    shown = printed(f"it was {SECRET}, {SECRET[::-1]} and {SECRET.encode().hex()}\n")
    record = journal.Journal.create(work, "20261122-101500-3fa2")
    result = shown.with_effects(files_read=tuple(FOLDERS))
    for event in [started(goal="Read them"), *step(1, "run_code", result, code=code), *finished(2, f"It is {SECRET}.")]:
        record.append(event)
    record.close()
    WRITERS[name](record.path, given / name)
    assert (given / name).is_file()
    assert not any(form in all_bytes(given) for form in forms(SECRET))
    assert not [path for path in given.rglob("*") if path.is_file() and looks_secret(path.name)]
