"""Secrets are masked by value in any common disguise, and common words are left alone."""

from __future__ import annotations

import base64
import html
import json
import random
import string
import textwrap
import urllib.parse
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from agentloop_nb.actions import ActionResult
from agentloop_nb.agent.event_stream import Stream
from agentloop_nb.events import ActionFinished
from agentloop_nb.safety.secrets import MASK, Masker, Tail, known_secrets, maskable
from agentloop_nb.state import State

KEY = "sk-proj-Ab3+/dE9=fGh1JkLm"
PLAIN = "hQ7rTz0Lw3Xk9VbN"

DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda key: key,
    "in a sentence": lambda key: f"the key is {key}.",
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a pair": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "base64 one off": lambda key: base64.b64encode(f"x{key}y".encode()).decode(),
    "base64 in lines": lambda key: base64.encodebytes(("-" * 60 + key + "-" * 60).encode()).decode(),
    "url-safe base64": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "base32": lambda key: base64.b32encode(key.encode()).decode(),
    "hex": lambda key: key.encode().hex(),
    "upper-case hex": lambda key: key.encode().hex().upper(),
    "spaced hex": lambda key: key.encode().hex(" "),
    "hex dump": lambda key: ", ".join(f"0x{byte:02x}" for byte in key.encode()),
    "escapes": lambda key: "".join(f"\\x{byte:02x}" for byte in key.encode()),
    "code points": lambda key: "".join(f"\\u{ord(character):04x}" for character in key),
    "numbers": lambda key: str(list(key.encode())),
    "URL": lambda key: urllib.parse.quote(key, safe=""),
    "URL, lower case": lambda key: urllib.parse.quote(key, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
    "query": lambda key: urllib.parse.urlencode({"key": key}),
    "every byte in the URL": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "HTML": html.escape,
    "HTML numbers": lambda key: "".join(f"&#{ord(character)};" for character in key),
    "JSON": json.dumps,
    "JSON in JSON": lambda key: json.dumps(json.dumps({"key": key})),
    "repr": repr,
    "repr of bytes": lambda key: repr(key.encode()),
    "characters": lambda key: str(list(key)),
    "joined with dashes": "-".join,
    "a column": "\n".join,
    "split over lines": lambda key: textwrap.fill(key, 7),
    "wrapped in a narrow table": lambda key: "│ " + " │\n│ ".join(textwrap.wrap(key, 9)) + " │",
    "concatenated literals": lambda key: f"'{key[:9]}' + '{key[9:]}'",
    "backwards": lambda key: key[::-1],
    "upper case": str.upper,
    "lower case": str.lower,
    "coloured": lambda key: f"\x1b[31m{key[:8]}\x1b[0;1m{key[8:]}",
    "coloured, as JSON": lambda key: json.dumps(f"\x1b[31m{key[:8]}\x1b[0;1m{key[8:]}"),
    "lines, as JSON": lambda key: json.dumps({"text": textwrap.fill(key, 7)}),
    "lines, as JSON in JSON": lambda key: json.dumps(json.dumps(textwrap.fill(key, 7))),
    "lines, as repr": lambda key: repr(textwrap.fill(key, 7)),
    "in a URL": lambda key: f"https://user:{urllib.parse.quote(key)}@host.example/",
}


@pytest.mark.parametrize("key", [KEY, PLAIN], ids=["symbols", "letters"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_secret_is_masked_in_every_disguise(disguise: str, key: str) -> None:
    disguised = DISGUISES[disguise](key)
    masked = Masker([key]).mask(f"before {disguised} after")
    assert MASK in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    if disguise != "base64 in lines":  # what stands around it there looks like it
        left = masked.replace(MASK, "")
        pieces = {disguised[start : start + 8] for start in range(len(disguised) - 8)}
        assert not any(piece in left for piece in pieces if piece.isalnum())


def test_what_stands_around_is_kept() -> None:
    assert Masker([KEY]).mask(f"a {KEY}, b {KEY}\nc") == f"a {MASK}, b {MASK}\nc"
    assert Masker([KEY]).mask(f"größe {KEY} 😀") == f"größe {MASK} 😀"


@pytest.mark.parametrize(
    "value",
    [
        "test",
        "password",
        "Password",
        "changeme",
        "localhost",
        "postgres",
        "12345678",
        "aaaaaaaaaaaa",
        "true",
        "",
        "x" * 40,
        "20261122",
    ],
)
def test_a_common_value_is_left_alone(value: str) -> None:
    assert not maskable(value)
    text = f"the {value} is {value}: test, password and localhost."
    assert Masker([value]).mask(text) == text


def test_a_secret_with_other_letters_is_masked() -> None:
    key = "пароль-Ω-Κωδικός-9"
    for text in (key, json.dumps(key), urllib.parse.quote(key), base64.b64encode(key.encode()).decode()):
        assert Masker([key]).mask(f"<{text}>") == f"<{MASK}>" or MASK in Masker([key]).mask(text)


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("OPENAI_API_KEY", KEY, KEY),
        ("GITHUB_TOKEN", "ghp_0123456789abcdefABCDEF0123456789abcd", "ghp_0123456789abcdefABCDEF0123456789abcd"),
        ("DB_PASSWORD", "Tr0ub4dor&3x", "Tr0ub4dor&3x"),
        ("db.pwd", "Tr0ub4dor&3x", "Tr0ub4dor&3x"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"),
        ("DATABASE_URL", "postgresql://app:s3cr3tPa55@db.example:5432/app", "s3cr3tPa55"),
        ("STORAGE", "AccountName=x;AccountKey=abcDEF123456==;", "abcDEF123456=="),
        ("SOME_SETTING", "sk-live-0a1b2c3d4e5f6g7h8i9j", "sk-live-0a1b2c3d4e5f6g7h8i9j"),
        ("MY_PAT", "a1B2c3D4e5F6g7", "a1B2c3D4e5F6g7"),
        ("apikey", "a1B2c3D4e5F6g7", "a1B2c3D4e5F6g7"),
        ("SESSION_COOKIE", "a1B2c3D4e5F6g7", "a1B2c3D4e5F6g7"),
    ],
)
def test_what_looks_like_a_secret_is_known(name: str, value: str, secret: str) -> None:
    for masker in (
        known_secrets({name: value}, {}, ()),
        known_secrets({}, {name: value}, ()),
        known_secrets({}, {}, (), {name: value}),
        known_secrets({}, {}, (), {"config": {name: value}}),
    ):
        assert secret not in masker.mask(f"x {value} y")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/usr/local/bin:/usr/bin"),
        ("PWD", "/home/someone/project-42"),
        ("OLDPWD", "/home/someone/project-41"),
        ("SSH_AUTH_SOCK", "/tmp/ssh-XXXX1234/agent.99"),
        ("TOKENIZERS_PARALLELISM", "false-or-true-1"),
        ("PUBLIC_KEY", "AAAAB3NzaC1yc2EAAAADAQABAAABgQ"),
        ("KEY_FILE", "/home/user/.config/a1B2c3.json"),
        ("MONKEY", "a1B2c3D4e5F6g7"),
        ("HOMEPAGE", "https://example.org/a1B2c3D4"),
        ("COMPANY", "Example Company 1234"),
        ("TOKEN_URL", "https://login.example.org/oauth2/token"),
    ],
)
def test_what_does_not_look_like_one_is_not(name: str, value: str) -> None:
    assert not known_secrets({name: value}, {}, ()).values


def test_keys_are_secret_whatever_they_are_called() -> None:
    masker = known_secrets({}, {}, [SecretStr(KEY), PLAIN], {"unlabelled": SecretStr("zX8cV7bN6mA5sD4f")})
    assert masker.values == {KEY, PLAIN, "zX8cV7bN6mA5sD4f"}
    assert KEY not in repr(masker)


def test_a_private_key_is_masked_line_by_line() -> None:
    lines = ["".join(random.Random(number).choices(string.ascii_letters, k=64)) for number in range(5)]
    pem = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"])
    masker = known_secrets({"SIGNING": pem}, {}, ())
    assert not any(line in masker.mask(f"1: {lines[0]}\n2: {lines[3]}") for line in lines)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_an_event_that_holds_nothing_else_is_masked(disguise: str) -> None:
    """Alone in its event, so that nothing but this disguise gives it away."""
    records: list[str] = []
    stream = Stream(State(), lambda event: records.append(event.model_dump_json()), masker=Masker([KEY]))
    output = {"output_type": "stream", "name": "stdout", "text": f"before {DISGUISES[disguise](KEY)} after"}
    result = ActionResult(success=True, output="", outputs=(output,))
    stream.emit(ActionFinished(step=1, result=result))
    assert MASK in records[0]


def test_any_json_is_masked_keys_and_all() -> None:
    masker = Masker([KEY])
    value = {"a": [KEY, {"b": f"x{KEY}"}], KEY: 1, "n": 1.5, "none": None, "t": (KEY,)}
    assert masker.mask_value(value) == {"a": [MASK, {"b": f"x{MASK}"}], MASK: 1, "n": 1.5, "none": None, "t": (MASK,)}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("disguise", ["plain", "base64 of a pair", "split over lines", "hex", "characters"])
def test_a_secret_that_arrives_in_pieces_is_never_shown(disguise: str, size: int) -> None:
    tail, masked = Tail(Masker([KEY])), Masker([KEY]).mask
    text = f"first line, größe\n{DISGUISES[disguise](KEY)} and more, sk-pro and more\n"
    shown = "".join(tail.feed(text[start : start + size]) for start in range(0, len(text), size)) + tail.rest()
    assert MASK in shown
    assert packed(masked(text)).startswith(packed(shown)[:10])
    assert len(packed(shown)) - len(packed(masked(text))) <= 2, "two characters at most before it is known"
    assert shown.endswith(" and more, sk-pro and more\n")


def packed(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def test_pieces_without_a_secret_are_shown_at_once() -> None:
    tail = Tail(Masker([KEY]))
    assert [tail.feed(piece) for piece in ("loading", " ... ", "10 %\n")] == ["loading", " ... ", "10 %\n"]


def test_a_megabyte_is_masked_without_being_taken_apart() -> None:
    masker = Masker([KEY, PLAIN])
    text = "lorem ipsum 0123456789 " * 50_000
    assert masker.mask(text) is text
    assert masker.mask(text + KEY + text).count(MASK) == 1


def test_what_comes_up_later_is_known_at_the_next_look() -> None:
    environ, namespace = {}, {"df": [1]}
    masker = known_secrets(environ, {}, (), namespace)
    environ["SOME_TOKEN"], namespace["engine"] = KEY, type("Engine", (), {})()
    namespace["engine"].url = "postgresql://app:s3cr3tPa55@db.example/x"
    namespace["engine"].__dict__["itself"] = namespace["engine"]
    assert masker.mask(KEY) == KEY
    masker.look()
    assert masker.mask(f"{KEY} s3cr3tPa55") == f"{MASK} {MASK}"


def test_what_a_vault_gave_is_secret_whatever_it_is_called() -> None:
    namespace: dict[str, str] = {}
    masker = known_secrets({}, {}, (), namespace)
    namespace["word"] = PLAIN
    masker.look()
    assert masker.mask(PLAIN) == PLAIN
    masker.expect(["import keyring\nif (word := keyring.get_password('a', 'b')): pass", "not Python at all get("])
    masker.look()
    assert masker.mask(PLAIN) == MASK


def test_a_look_runs_no_code_of_the_users_and_takes_names_of_columns_for_no_secrets() -> None:
    class Hostile:
        @property
        def __dict__(self):
            raise SystemExit

        def __getattr__(self, name):
            raise SystemExit

    class Column:
        def __init__(self) -> None:
            self.key, self.token_count, self.auth = "customer_name_2024", "customer_name_2025", "customer_name_2026"

    namespace = {"hostile": Hostile(), "column": Column(), "kind": Hostile, "cycle": {}}
    namespace["cycle"]["again"] = namespace["cycle"]
    assert known_secrets({}, {}, (), namespace).values == frozenset()


def test_looking_again_at_a_large_namespace_is_no_work() -> None:
    namespace = {f"text_{number}": f"{number} " * 2000 for number in range(2000)}
    namespace |= {f"object_{number}": type("Thing", (), {})() for number in range(2000)}
    masker = known_secrets({}, {}, (), namespace)
    for _ in range(50):
        masker.look()
