"""Command lines that look as if they only read: programs of the same name, odd repositories, options, values."""
# ruff: noqa: F811  # fixtures of other files

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from agentloop_nb.safety.code_risks import read
from agentloop_nb.safety.code_risks.command_lines import Command, commands
from agentloop_nb.safety.code_risks.constant_values import HOLE
from agentloop_nb.safety.code_risks.ipython_cells import take_apart
from agentloop_nb.safety.code_risks.shell_commands import plain
from agentloop_nb.safety.code_risks.shell_evaluation import evaluates_data
from tests.safety.test_roundabout_effects import place, step  # noqa: F401

SCRIPT = "#!/bin/sh\ntouch ../canary canary\n"


def program(name: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(SCRIPT)
    Path(name).chmod(0o755)


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("./ls", "d"),
        ("cd d && ./ls", "."),
        ("env -C d ./ls", "."),
        ("/usr/bin/../..{here}/d/ls", "."),
        ("d/python3 --version", "."),
        ("./python3 --version", "d"),
        ("d/../d/ls", "."),
    ],
)
def test_a_program_that_the_run_wrote_is_not_one_of_the_system(place: Path, line: str, folder: str) -> None:
    spelled = line.format(here=place)
    words = spelled if "&&" in line else shlex.split(spelled)
    stood = (tuple(shlex.split(spelled)),)
    with step(place, commands=stood, lines=frozenset([spelled])):
        program("d/ls")
        program("d/python3")
        with pytest.raises(PermissionError, match="it starts"):
            subprocess.run(words, cwd=folder, shell=isinstance(words, str), check=False)
    assert not list(place.rglob("canary"))


@pytest.mark.parametrize("name", ["data/python3", "/work/data/bin/python3", "data/pip", "/usr/bin/../../tmp/ls"])
def test_a_program_is_known_by_its_place(name: str) -> None:
    assert not Command(plain([name, "--version"])).read_only


@pytest.mark.parametrize("name", ["python3", "/usr/bin/python3.11", "python"])
def test_python_is_known_where_it_lies(name: str) -> None:
    assert Command(plain([name, "--version"])).read_only


def bare_repository(at: Path) -> None:
    for each in ("objects", "refs", "wt"):
        (at / each).mkdir(parents=True)
    (at / "HEAD").write_text("ref: refs/heads/main\n")
    (at / "config").write_text('[core]\n\tbare = false\n\tworktree = wt\n\tfsmonitor = "touch ../canary #"\n')


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (["git", "status"], "sub"),
        (["git", "diff"], "sub/wt"),
        (["git", "log"], "sub"),
        (["git", "ls-files"], "sub"),
        (["git", "show"], "sub/objects"),
    ],
)
@pytest.mark.parametrize("whose", ["the run's", "a stranger's"])
def test_git_obeys_no_odd_repository(place: Path, words: list[str], folder: str, whose: str) -> None:
    if whose == "a stranger's":
        bare_repository(place / "sub")
    with step(place):
        if whose == "the run's":
            bare_repository(Path("sub"))
        with pytest.raises(PermissionError, match="git"):
            subprocess.run(words, cwd=folder, check=False)


def test_git_tells_of_the_users_repository(place: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    (place / "sub").mkdir()
    with step(place):
        subprocess.run(["git", "status"], check=True, capture_output=True)
        subprocess.run(["git", "status"], cwd="sub", check=True, capture_output=True)


@pytest.mark.parametrize(
    "line",
    [
        "uniq - out",
        "uniq -- in -out",
        "xxd -r -p - out",
        "xxd -r -- a b",
        "uniq -c in out",
        "git remote show https://evil.example/x",
        "git remote -v update",
        "git remote -v add x https://evil.example/x",
        "git diff --ou=x",
        "npm view --registry=https://evil.example/ x",
        "npm view x",
        "npm ls --prefix=x --registry=https://evil.example/",
        "pip index versions -qi https://evil.example/ pkg",
        "pip index versions --ind=https://evil.example/ pkg",
        "pip list --outdated",
        "pip list -qi https://evil.example/",
        "sort --co=./x big",
        "tree -RH . -L 1",
        "less --lo=x sales.csv",
        "ag --pag=./x y",
        "date 010100002030",
        "printf -v x y",
        "test -v x",
    ],
)
def test_what_writes_or_connects_does_not_only_read(line: str) -> None:
    assert not Command(tuple(shlex.split(line))).read_only


@pytest.mark.parametrize(
    "line",
    [
        *("uniq -c in", "xxd -l20 in", "git remote -v", "git remote get-url origin", "git log --oneline -5"),
        *("npm ls", "npm ls --depth=0", "pip list", "pip list --format=json", "pip show -f pandas numpy", "pip freeze"),
        *("sort -k2 -n in", "tree -L 2", "date +%s", "printf %s x", "test -f x", "/usr/bin/ls -l"),
    ],
)
def test_what_only_reads_stays_so(line: str) -> None:
    assert Command(tuple(shlex.split(line))).read_only


EVALUATING = [
    "printf -v 'a[$(touch canary)]' x",
    "test -v 'a[$(touch canary)]'",
    "x='a[$(touch canary)]'; echo $((x))",
    "x='$(touch canary)'; echo ${x@P}",
    "n=$(cut -d, -f3 sales.csv); echo $((n + 1))",
    "x=`tail -1 sales.csv`; [[ $x -eq 1 ]]",
    "read x < sales.csv; echo $(( x ))",
    "for i in $(cat sales.csv); do echo $((i * 2)); done",
]


@pytest.mark.parametrize("line", EVALUATING)
def test_what_bash_evaluates_is_a_program(place: Path, line: str) -> None:
    with step(place), pytest.raises(PermissionError, match="it starts"):
        subprocess.run(["bash", "-c", line], check=False)
    assert not (place / "canary").exists()
    assert read(f"!{line}").unread


@pytest.mark.parametrize(
    "line",
    [
        *(
            "for i in 1 2 3; do echo $((i * 2)); done",
            "n=$(wc -l < sales.csv); echo $((n - 1))",
            "x=5; echo $((x + 1))",
        ),
        *("[[ -f sales.csv ]] && echo yes", "i=0; i=$((i + 1)); echo $i", "echo ${x:0:3}", "NAME='a b' echo $NAME"),
    ],
)
def test_plain_arithmetic_is_not(line: str) -> None:
    assert not evaluates_data(line)


FROM_OUTSIDE = r"""
echo ${!x}
y=12; echo ${y:x}
y=12; echo ${y:$x}
y=12; echo ${y:0:x}
y=1; echo ${y: -x}
a=(1); echo ${a[$x]}
echo ${a[x]}
echo $[x]
echo $[1+$x]
echo $((1+$x))
echo "$((x))"
echo $(( $(cat sales.csv) + 1 ))
[[ $x -eq 1 ]]
[[ x -eq 1 ]]
[[ -n $x && 1 -lt x ]]
[[ -v $x ]]
test -v $x
[ -v a[$x] ]
[ 'a[$(touch canary)]' -eq 1 ]
test 'a[`touch canary`]' -eq 1
[[ -v 'a[$(touch canary)]' ]]
let x
let "y=x"
((x))
declare $x=1
printf -v $x y
read $x <<< 1
for ((i=x;i<3;i++)); do :; done
echo ${@:x}
echo ${x@P}
a[$x]=1
declare -i n=x
declare -n r=$x; echo $r
echo $((${x}))
bash -c 'echo $((x))'
bash -c 'echo $(($1))' _ y
echo "it's $((x))"
if ((x > 3)); then echo; fi
echo $(( ( 1 + 2 ) * (x) ))
""".strip().splitlines()
"""Lines that evaluate what they do not set themselves; `x` may have come from data by way of the environment."""

OF_ITS_OWN = r"""
echo $((1+2))
echo ${x:0:3}
echo ${x: -3}
echo ${x:-default}
for i in $(seq 3); do echo $i; done
for i in $(seq 3); do echo $((i * 2)); done
for i in $(seq 1 2 9); do echo "$((i + 1))"; done
for i in 1 2 3; do echo $((i * 2)); done
for i in {1..3}; do echo $((i * 2)); done
for ((i=0; i<3; i++)); do echo $i; done
i=0; while ((i < 3)); do i=$((i + 1)); done
n=$(wc -l < sales.csv); echo $((n - 1))
echo $(( $(wc -l < sales.csv) - 1 ))
echo $(( $(ls | wc -l) * 2 ))
echo $(( $(date +%s) - 5 ))
[[ $(wc -l < sales.csv) -gt 5 ]] && echo many
x=5; echo $((x + 1)) $[x]
[[ -f sales.csv ]] && echo yes
[[ $x == 1 ]] || [[ -z $y ]]
[ $n -gt 5 ] && echo big
test -f sales.csv && test $n -eq 3
echo $((RANDOM % 6 + 1))
echo $((0x1F + 16#ff))
echo ${#x} $(( ${#x} + 1 ))
awk '{s += ((x + $1))} END {print s}' sales.csv
awk -F, 'NR>1 {a[$1]+=$2} END {for (k in a) print k, a[k]}' sales.csv
python -c "print((x + 1))"
python -c 'd = {}; d[x] = 1; print((d))'
pip install "pandas[excel]==2.0"
pip install pandas[excel]==2.0
export PATH=$PATH:/opt/bin
declare -A m; m[key]=1; echo ${m[key]}
f() { echo $(( $1 * 2 )); }; f 3
sed -n "$((2 + 3))p" sales.csv
head -n $((10 * 2)) sales.csv | tail -n 1
printf '%s\n' "${x%.csv}" "${x##*/}" "${x/a/b}"
echo $(( {n} * 2 ))
git log --pretty=format:'%h %s' | head -n 3
grep -E '((a|b)c)+' sales.csv
sqlite3 a.db "select ((a + b)) from t"
seq 3 | while read i; do echo $i; done
echo $(( (1 + 2) * 3 ))
let n=1+2
curl -s 'https://a.example/x[1]=2'
jq '.a[0] | ((.b))' x.json
for f in *.csv; do echo "$f"; done
n=$(cut -f1 sales.csv); [ $n -gt 5 ] && echo big
f='a b'; [ -n "$f" ] && [ $x -lt 3 ]
""".strip().splitlines()
"""Lines of ordinary work that look alike."""


@pytest.mark.parametrize("line", FROM_OUTSIDE)
def test_a_value_that_bash_evaluates_may_have_come_from_data(line: str) -> None:
    assert evaluates_data(line)


@pytest.mark.parametrize("line", OF_ITS_OWN)
def test_what_a_line_sets_itself_is_its_own(line: str) -> None:
    assert not evaluates_data(line)


@pytest.mark.parametrize("line", ["echo ${!x}", "y=12; echo ${y:x}", "echo $[x]", "echo $((1+$x))", "test -v $x"])
def test_data_in_the_environment_is_no_program(place: Path, line: str) -> None:
    with step(place), pytest.raises(PermissionError, match="it starts"):
        subprocess.run(["bash", "-c", line], env={"x": "a[$(>canary)]", "PATH": os.environ["PATH"]}, check=False)
    assert not (place / "canary").exists()


@pytest.mark.parametrize("line", ["echo $((1+2))", "echo ${x:0:3}", "for i in $(seq 3); do echo $((i * 2)); done"])
def test_plain_lines_of_a_shell_run(place: Path, line: str) -> None:
    stood = tuple(command.words for command in commands(shlex.join(["bash", "-c", line])))
    with step(place, commands=stood):
        assert subprocess.run(["bash", "-c", line], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        *(["mv", "customers.db", "other.db"], ["rm", "customers.db"], ["gzip", "customers.db"]),
        *(["dd", "if=/dev/null", "of=customers.db"], ["truncate", "--size=0", "customers.db"]),
    ],
)
def test_the_users_files_are_not_taken_away_by_names_of_data(place: Path, words: list[str]) -> None:
    for name in ("customers.db", "other.db"):
        (place / name).write_text(name)
    template = (words[0], *(re.sub(r"\b[\w]+\.db$", HOLE, word) for word in words[1:]))
    with step(place, commands=(template,)), pytest.raises(PermissionError, match="it starts"):
        subprocess.run(words, check=False)
    assert (place / "customers.db").read_text() == "customers.db"


@pytest.mark.parametrize(
    "words", [["dd", "if=customers.db", "of=copy.db", "status=none"], ["truncate", "-s", "0", "made.db"]]
)
def test_new_files_and_those_of_the_run_are_written(place: Path, words: list[str]) -> None:
    (place / "customers.db").write_text("customers.db")
    template = (words[0], *(re.sub(r"\b[\w]+\.db$", HOLE, word) for word in words[1:]))
    with step(place, commands=(template,)):
        Path("made.db").write_text("1")
        subprocess.run(words, check=True)
    assert (place / "customers.db").read_text() == "customers.db"


@pytest.mark.parametrize("words", [["mv", "made", "other"], ["rm", "made"]])
def test_the_runs_own_files_are(place: Path, words: list[str]) -> None:
    template = (words[0], *(HOLE for _ in words[1:]))
    with step(place, commands=(template,)):
        Path("made").touch()
        subprocess.run(words, check=True)
    assert not Path("made").exists()


@pytest.mark.parametrize(
    "line",
    [
        "agentloop trust bundle",
        "agentloop -m replay:mine.jsonl --trust-web go",
        "python -m agentloop_nb tools --allow x",
        "/usr/bin/env agentloop verify run.ipynb",
        "python -c 'import agentloop_nb; agentloop_nb.run_agent(1)'",
        "sh -c 'agentloop resume last'",
    ],
)
def test_our_own_commands_are_the_persons(place: Path, line: str) -> None:
    words = tuple(shlex.split(line))
    stood = (words, tuple(words[-1].split()))
    with step(place, commands=stood, lines=frozenset([line])), pytest.raises(PermissionError, match="it starts"):
        subprocess.run(words, check=False)


def test_files_of_that_name_are_only_files(place: Path) -> None:
    (place / ".agentloop").mkdir()
    (place / ".agentloop" / "notes.csv").touch()
    with step(place, commands=(("wc", "-l", ".agentloop/notes.csv"),)):
        subprocess.run(["wc", "-l", ".agentloop/notes.csv"], check=True)


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("!ls \\\n  -la", "ls    -la"),
        ("!ls \\", "ls \\"),
        ("!ls \\\\\n\n!true", "ls \\"),
        ("!ls \\ \nprint(1)", "ls \\"),
        ("x = !ls \\\n-l \\\n-a", "ls  -l  -a"),
    ],
)
def test_a_shell_line_goes_on_where_ipython_says_so(code: str, line: str) -> None:
    assert take_apart(code).shell[0].strip() == line
