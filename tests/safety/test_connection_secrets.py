"""Passwords that stand in code for a database are masked: in addresses, connection strings, statements and commands."""

from __future__ import annotations

import pytest

from agentloop_nb.safety.secrets import KnownSecrets

SECRET = "Tz9qLm4vXw8rKd2pYb6n"
FIRST, REST = SECRET[:9], SECRET[9:]
CODE = [
    f'e = create_engine("postgresql://ada:{SECRET}@db/x")',
    f'e = create_engine("postgresql+psycopg2://ada:{FIRST}%40{REST}@db/x")',
    f'e = create_engine("postgresql://ada:{FIRST}/{REST}@db/x")',
    f'e = create_engine("mysql+pymysql://ada:{FIRST}@{REST}@db/x")',
    f'e = create_engine("postgresql://h/db?user=a&password={SECRET}&ssl=true")',
    f'r = redis.from_url("redis://:{SECRET}@h/0")',
    f'c = psycopg.connect("host=h user=ada password={SECRET} dbname=x")',
    f"c = psycopg.connect(\"host=h user=ada password='{SECRET}' dbname=x\")",
    f"c = psycopg.connect(\"host=h password = '{FIRST} {REST}' dbname=x\")",
    f'c = psycopg.connect(host="h", user="ada", passwd="{SECRET}")',
    f'c = pymysql.connect("h", "ada", "{SECRET}", "db")',
    f'c = pyodbc.connect("DRIVER={{x}};SERVER=h;UID=a;PWD={{{SECRET}}};DATABASE=x")',
    f'c = jaydebeapi.connect("d", "jdbc:sqlserver://h:1;user=a;password={SECRET};x=1")',
    f'u = URL.create("postgresql", "ada", "{SECRET}", "h")',
    f"con.execute(\"ATTACH 'dbname=x password={SECRET} host=h' AS p (TYPE postgres)\")",
    f"con.execute(\"CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET '{SECRET}')\")",
    f"con.execute(\"ALTER USER ada WITH PASSWORD '{SECRET}'\")",
    f"con.execute(\"CREATE USER ada IDENTIFIED BY '{SECRET}'\")",
    f"con.execute(\"SET s3_secret_access_key='{SECRET}'\")",
    f"con.execute(\"PRAGMA key = '{SECRET}'\")",
    f"con.execute(\"select pgp_sym_decrypt(a, '{SECRET}') from x\")",
    f"frame = con.sql(\"FROM postgres_scan('host=h password={SECRET}', 'public', 't')\")",
    f'!PGPASSWORD="{SECRET}" psql -h h -c "select 1"',
    f"!export MYSQL_PWD={SECRET}; mysql x",
    f'rows = !mysql -u ada -p{SECRET} x -e "select 1"',
    f"!curl --user ada:{SECRET} https://h/x",
    f"!tool --token {SECRET} list",
    f"%env PGPASSWORD {SECRET}",
    f"%set_env DB_PASSWORD={SECRET}",
    f"x = 1\n%sql postgresql://ada:{SECRET}@h/x",
    f"%%sql postgresql://ada:{SECRET}@h/x\nselect 1",
    f"%%bash\nexport PGPASSWORD={SECRET}\npsql -c 1",
    f'cfg = {{"pwd": "{SECRET}"}}',
    f'u, p = "ada", "{SECRET}"\nc = connect(f"postgresql://{{u}}:{{p}}@h/x")',
    f'p = "{SECRET}"\nc = connect(f"host={{h}} password={{p}}")',
    f'password: str = "{SECRET}"',
    f'print(password := "{SECRET}")',
    f'user, password = "ada", "{SECRET}"',
    f'password = "{FIRST}" + "{REST}"',
    f'def connect(user, password="{SECRET}", *, port=1):\n    pass',
    f'def connect(*, token="{SECRET}"):\n    pass',
]
ORDINARY = [
    'con = duckdb.connect("analytics2024.duckdb")',
    "con.execute(\"SELECT key FROM t WHERE key = 'customer_2024_01'\")",
    "con.execute(\"SELECT * FROM t WHERE primary_key = 'ORD-2024-000123'\")",
    's3 = "s3://bucket2024/key=abc123/part=1"',
    'u = "http://host:8080/2024/a@b"',
    'u = "postgresql://localhost:5432/sales2024"',
    "!pip install --user pandas==2.2.3",
    "%env OMP_NUM_THREADS=4",
    "%env PWD=/home/ada/work2024x",
    'password = getpass()\nc = connect(f"postgresql://ada:{password}@h/x")',
    'df.to_csv("tokens_2024_q1.csv", sep=";")',
    "import os\nos.environ['PASSWORD']",
]


def learned(code: str) -> KnownSecrets:
    found = KnownSecrets([], {}, {})
    found.expect([code])
    return found


@pytest.mark.parametrize("code", CODE)
def test_what_is_written_in_code_is_masked_there_and_in_messages(code: str) -> None:
    secrets = learned(code)
    masked = secrets.mask(code)
    assert FIRST not in masked
    assert REST not in masked
    if SECRET in code:
        assert SECRET not in secrets.mask(f'FATAL: password authentication failed for "ada" with {SECRET}')


@pytest.mark.parametrize("code", ORDINARY)
def test_ordinary_code_holds_no_secret(code: str) -> None:
    assert learned(code).values == frozenset()


def test_a_name_that_an_address_is_made_of_holds_a_secret() -> None:
    names: dict[str, object] = {}
    secrets = KnownSecrets([], {}, names)
    secrets.expect(['c = connect(f"mysql://{u}:{word}@h/x")'])
    names["word"] = SECRET
    secrets.look()
    assert SECRET not in secrets.mask(f"connected with {SECRET}")
