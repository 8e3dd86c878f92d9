"""Secrets in every common holder are known before anything is told, and nothing of the user's code runs for it."""

from __future__ import annotations

import collections
import functools
import types
from types import SimpleNamespace

import pytest

from agentloop_nb.safety.secrets import KnownSecrets, Masker

SECRET = "Tz9qLm4vXw8rKd2pYb6n"

CODE = {
    "module attribute": "import types\nsettings = types.ModuleType('settings')\nsettings.API_TOKEN = S",
    "module in a module": "import types\na = types.ModuleType('a')\na.b = types.ModuleType('b')\na.b.password = S",
    "object in a module": "import types\na = types.ModuleType('a')\na.conf = {'db': {'password': S}}",
    "dict in a list": "servers = [{'host': 'h', 'password': S}]",
    "list in a dict": "servers = {'a': [{'b': ({'api_key': S},)}]}",
    "names of a list": "tokens = ['x', S]",
    "bytes": "api_token = S.encode()",
    "bytes in a dict": "conf = {'secret': S.encode()}",
    "bytearray": "password = bytearray(S.encode())",
    "class attribute": "class Config:\n    password = S",
    "class attribute of an object": "class Config:\n    api_key = S\nconfig = Config()\ndel Config",
    "inherited class attribute": "class A:\n    token = S\nclass B(A):\n    pass\nb = B()\ndel A, B",
    "ordered dict": "import collections\nconf = collections.OrderedDict(password=S)",
    "default dict": "import collections\nconf = collections.defaultdict(str, api_key=S)",
    "dict subclass": "class D(dict):\n    pass\nconf = D(password=S)",
    "slots": "class C:\n    __slots__ = ('password', 'other')\nc = C()\nc.password = S",
    "slots of a base": "class A:\n    __slots__ = ('api_key',)\nclass C(A):\n    pass\nc = C()\nc.api_key = S\ndel A",
    "closure": "def make(password):\n    def f():\n        return password\n    return f\nf = make(S)",
    "closure over a dict": "def make(conf):\n    return lambda: conf\nf = make({'token': S})",
    "default argument": "def f(a, password=S):\n    pass",
    "keyword default": "def f(*, api_key=S):\n    pass",
    "function attribute": "def f():\n    pass\nf.token = S",
    "tuple": "credentials = ('ada', S)",
    "named tuple": "import collections\nC = collections.namedtuple('C', 'user password')\nc = C('ada', S)\ndel C",
    "pair": "pairs = [('Authorization', 'Bearer ' + S)]",
    "headers": "headers = {'Authorization': 'Bearer ' + S}",
    "session": "class Session:\n    pass\ns = Session()\ns.headers = {'x-api-key': S}",
    "store of a session": "class H:\n    pass\nh = H()\nh._store = {'authorization': ('Authorization', 'Token ' + S)}",
    "raw headers": "class H:\n    pass\nh = H()\nh._list = [(b'Cookie', b'cookie', b'sid ' + S.encode())]",
    "set": "passwords = {S}",
    "deque": "import collections\ntokens = collections.deque([S])",
    "partial": "import functools\nconnect = functools.partial(print, 'h', password=S)",
    "bound method": "class C:\n    def go(self):\n        pass\nc = C()\nc.password = S\ngo = c.go\ndel c",
    "simple namespace": "import types\nargs = types.SimpleNamespace(token=S)",
    "data class": "import dataclasses\n@dataclasses.dataclass\nclass C:\n    password: str\nc = C(S)",
    "pydantic secret": "import pydantic\nc = [pydantic.SecretStr(S)]",
    "address in a list": "urls = ['postgresql://ada:' + S + '@db/x']",
}


def known(code: str) -> KnownSecrets:
    namespace = {"__name__": "__main__", "S": SECRET}
    exec(code, namespace)
    del namespace["S"]
    return KnownSecrets([], {}, namespace)


@pytest.mark.parametrize("name", CODE)
def test_a_secret_in_a_holder_is_masked(name):
    assert SECRET not in known(CODE[name]).mask(f"it is {SECRET}.")


def test_requests_and_httpx_sessions_are_known():
    httpx = pytest.importorskip("httpx2")
    client = httpx.Client(headers={"Authorization": f"Bearer {SECRET}"})
    assert SECRET not in KnownSecrets([], {}, {"client": client}).mask(SECRET)


LITERALS = [
    "client = OpenAI(api_key='{}')",
    "connect('host', password='{}')",
    "db.login('{}')",
    "os.environ['MY_TOKEN'] = '{}'",
    "session.headers['Authorization'] = 'Bearer {}'",
    "requests.get(url, headers={{'X-Api-Key': '{}'}})",
    "requests.get(url, headers={{'Authorization': 'Bearer {}'}})",
    "conf = dict(token='{}')",
    "self.password = '{}'",
    "api_key = b'{}'",
    "create_engine('postgresql://ada:{}@db/x')",
    "hf.set_access_token('{}')",
]


@pytest.mark.parametrize("cell", LITERALS)
def test_a_secret_written_in_a_cell_is_masked(cell):
    masker = KnownSecrets([], {}, {})
    masker.expect([cell.format(SECRET)])
    assert SECRET not in masker.mask(f"it is {SECRET}.")


@pytest.mark.parametrize(
    "cell",
    [
        "df.plot(title='Sales of 2024 and 2025')",
        "df.groupby('month_2024_total')",
        "tokenizer('some text 123')",
        "x = 'a'",
    ],
)
def test_ordinary_literals_stay(cell):
    masker = KnownSecrets([], {}, {})
    masker.expect([cell])
    assert not masker.values


@pytest.mark.parametrize("length", [16, 17, 20, 30, 46, 63])
@pytest.mark.parametrize("after", ["...", "…", " |", "\n", ""])
def test_a_long_beginning_of_a_secret_is_masked_as_the_secret(length, after):
    secret = (SECRET + "Hg5sJc1tWf3z") * 2
    shown = Masker([secret]).mask(f"0  {secret[:length]}{after}")
    assert secret[:8] not in shown
    assert secret[length - 4 : length] not in shown
    assert shown.endswith(after)


def test_a_short_beginning_and_another_ending_stay():
    secret = SECRET + "Hg5sJc1tWf3z"
    assert Masker([secret]).mask(f"{secret[:12]}... ") == f"{secret[:12]}... "
    assert Masker([secret]).mask(f"{secret[:18]}zzzz").endswith("zzzz")


class Bomb:
    """Every way to run its code ends the test."""

    def _boom(self, *args):
        raise AssertionError("code of the user's ran")

    __getattr__ = __iter__ = __len__ = __repr__ = __eq__ = __hash__ = __bool__ = __contains__ = _boom


class LoudDict(dict):
    def _boom(self, *args):
        raise AssertionError("code of the user's ran")

    items = keys = values = __iter__ = __len__ = get = __getitem__ = _boom


def test_looking_runs_nothing():
    loud = LoudDict()
    dict.__setitem__(loud, "password", SECRET)
    lazy = SimpleNamespace(bomb=Bomb(), password=SECRET)
    masker = KnownSecrets(
        [], {}, {"a": Bomb(), "b": [Bomb()], "c": loud, "d": lazy, "e": functools.partial(print, Bomb())}
    )
    assert SECRET not in masker.mask(SECRET)


def test_circles_and_depths_end():
    circle = []
    circle.append(circle)
    deep = {"password": SECRET}
    for _ in range(500):
        deep = {"a": deep}
    KnownSecrets([], {}, {"circle": circle, "deep": deep})


def test_modules_of_packages_and_data_are_not_gone_into():
    import numpy as np

    looked = KnownSecrets([], {}, {"np": np, "types": types, "collections": collections, "pytest": pytest})
    assert not looked.values


def test_what_is_large_and_unchanged_is_looked_into_once(monkeypatch):
    from agentloop_nb.safety import secrets

    rows = [{"month": "Jan", "amount": number} for number in range(300)]
    masker = KnownSecrets([], {}, {"rows": rows})
    looks = []
    monkeypatch.setattr(secrets.Looker, "into", lambda self, name, value: looks.append(name) or iter(()))
    masker.look()
    assert looks == []
    rows.append({"password": SECRET})
    masker.look()
    assert looks == ["rows"]


def test_a_shell_of_another_front_end_holds_no_secrets_of_the_user():
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    derived = type("Shell", (shell,), {"__init__": lambda _self: None, "__module__": "some_front_end"})
    found = derived()
    vars(found)["_sys_modules_keys"] = {"IPython", "numpy.random"}
    masked = KnownSecrets([], {}, {"get_ipython": found.run_cell}).mask("from IPython import display")
    assert masked == "from IPython import display"
