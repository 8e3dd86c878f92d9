"""Variables that a command line has bash evaluate, and that the line does not set: what they hold may be a program."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentloop_nb.safety.code_risks.words import words

UNKNOWN = "$(...)"
"""Stands for the output of a command that is evaluated."""
_OF_SHELL = words(
    "RANDOM SRANDOM SECONDS LINENO UID EUID PPID BASHPID EPOCHSECONDS EPOCHREALTIME BASH_SUBSHELL SHLVL HISTCMD"
)
"""Variables that hold a number, whatever the environment says."""
_NUMBERS = re.compile(
    r"\$\(\s?(?:[^()`|]{0,500}\|){0,9}\s?"
    r"(?:wc|nproc|date \+%|grep -c|expr|seq|stat -c|du|df|free)\b[^()`|]{0,500}\)"
)
"""Substitutions that yield numbers."""
_LENGTHS = re.compile(r"\$\{#[^{}]{0,200}\}|(?<!\$)\{[^{}]{1,200}\}")
"""Lengths; and values that IPython puts in, which are judged when they are there."""
_NAME = re.compile(r"(?<![\w#.])[A-Za-z_]\w*|(?<=\$)[1-9@*]|(?<=\$\{)[1-9@*]")
_QUOTED = re.compile(r"\\.|'([^']*)'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_INNER_SHELL = re.compile(r"\b(?:(?:ba|z|k|da|a)?sh|eval|source|trap|xargs|parallel|env|ssh|su)\b")
"""What reads a quoted text as a command line of its own."""
_HERE = r"(?:^|[;&|\n{(]|\b(?:do|then|else|elif|if|while|until|for|time)\b)\s{0,9}"
"""Where a command begins."""
_EXPRESSIONS = re.compile(rf"\$\(\(|(?:{_HERE})\(\(", re.MULTILINE)
_SHORT = re.compile(
    r"\$\[([^]]{1,500})\]|\$\{[\w@*]{1,99}(?:\[[^]]{0,99}\])?:(?![-=?+])([^}]{1,200})\}|"
    rf"\blet\s([^;&|\n]{{1,500}})|\$\{{[!#]?[A-Za-z_]\w{{0,99}}\[([^]]{{1,200}})\]|(?:{_HERE})[A-Za-z_]\w{{0,99}}\[([^]]{{1,200}})\]\+?=(?!=)|"
    r"\b(?:declare|typeset|local)\s{1,9}-\w{0,9}i\w{0,9}\s([^;&|\n]{1,500})",
    re.MULTILINE,
)
"""Arithmetic in brackets, in parts of values, after `let`, and in subscripts."""
_TEST = re.compile(r"\[\[\s([^\n]{1,500}?)\s\]\]")
_COMPARED = re.compile(r"(?<!\S)(\S{1,200})\s{1,9}-(?:eq|ne|lt|le|gt|ge)\s{1,9}(\S{1,200})")
_POINTED = re.compile(
    r"\$\{!([A-Za-z_]\w{0,99}|[1-9])\}|\$\{([A-Za-z_]\w{0,99}|[1-9@*])@[PAEa]\}|"
    r"(?:\b(?:test|printf)|\[\[?)\s{1,9}(?:!\s{1,9})?-[vR]\s{1,9}[\"']?[^\s$]{0,99}\$\{?([A-Za-z_]\w{0,99}|[1-9@*])|"
    r"\b(?:declare|typeset|unset)\s{1,9}(?:-\w{1,9}\s{1,9}){0,9}(?:\w{1,99}=)?[\"']?\$\{?([A-Za-z_]\w{0,99}|[1-9@*])|"
    r"\bread\s{1,9}(?:-[rs]{1,2}\s{1,9}){0,2}[\"']?\$\{?([A-Za-z_]\w{0,99}|[1-9@*])"
)
"""Names of variables that stand in values, and prompts."""
_SET = re.compile(r"(?<![\w$])([A-Za-z_]\w{0,99})(?:\[[^]]{0,200}\])?[-+*/%]?=(?!=)|\bfor\s{1,9}([A-Za-z_]\w{0,99})\s")
_FUNCTION = re.compile(r"\w\s{0,9}\(\)|\bset\s{1,9}--\s")


def is_foreign(line: str) -> bool:
    """Whether a line has bash evaluate what its environment, or the output of a command, holds."""
    plain = _as_read(line)
    evaluated = {name for name in _evaluated(plain) if name not in _OF_SHELL}
    if evaluated and _FUNCTION.search(plain) is not None:
        evaluated -= set("123456789@*")
    return bool(evaluated - {name for match in _SET.findall(plain) for name in match})


def _as_read(line: str) -> str:
    """Return a line without what stands in single quotes, unless another shell reads that."""
    if _INNER_SHELL.search(line) is not None:
        return line
    return _QUOTED.sub(lambda match: match[0] if match[1] is None else "''", line)


def _evaluated(line: str) -> Iterator[str]:
    """Yield the names of variables that are evaluated."""
    for expression in _arithmetic(line):
        yield from _names(expression)
    for test in _TEST.findall(line):
        for compared in _COMPARED.findall(_NUMBERS.sub("0", test)):
            yield from _names(" ".join(compared))
    for match in _POINTED.findall(line):
        yield from filter(None, match)


def _arithmetic(line: str) -> Iterator[str]:
    at = 0
    while (begin := _EXPRESSIONS.search(line, at)) is not None:
        at = _closing(line, begin.end())
        yield line[begin.end() : at]
    keyed = re.search(r"\b(?:declare|typeset|local)\s+-\w*A", line) is not None
    for bracket, part, let, subscript, assigned, declared in _SHORT.findall(line):
        yield from (bracket, part, let, declared)
        yield from () if keyed else (subscript.strip("@*"), assigned)


def _closing(line: str, start: int) -> int:
    """Return where two open parentheses close."""
    depth = 2
    for match in re.compile(r"[()]").finditer(line, start):
        depth += 1 if match[0] == "(" else -1
        if not depth:
            return match.end()
    return len(line)


def _names(expression: str) -> Iterator[str]:
    """Yield the variables of an arithmetic expression."""
    plain = _LENGTHS.sub("0", _NUMBERS.sub("0", expression))
    if re.search(r"\$\((?!\()|`", plain) is not None:
        yield UNKNOWN
    yield from _NAME.findall(plain)
