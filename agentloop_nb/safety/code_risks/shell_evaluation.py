"""What bash evaluates as a program although it stands in a value: subscripts of arrays, arithmetic, prompts."""

from __future__ import annotations

import re

from agentloop_nb.safety.code_risks.shell_arithmetic import is_foreign

MAX_LINE = 20_000
"""Characters of a command line that is read; a longer one counts as evaluating."""
_EVALUATING = re.compile(
    r"\$?\(\([^()]*[A-Za-z_]|\$\[[^][]*[A-Za-z_]|\$\{[^}]{0,200}@[PAEa]|\$\{!?\w{1,99}(\[|:[^-=?+\d}])|\[\[|"
    r"\b(let|declare|typeset|local|readonly|unset|mapfile|readarray|printf\s{1,9}-v|test\s{1,9}-[vR]|\[\s{1,9}-[vR])\s"
)
"""Where a value is taken for arithmetic, a name with a subscript, or a prompt."""
_COMPARING = re.compile(r"\s-(?:eq|ne|lt|le|gt|ge)\s")
_COUNT = r"\$\(\s?(wc|nproc|date \+%[\w%]+|grep -c|expr|stat -c %[sY])[^()`]*\)|\$\(\([^()]*\)\)"
_HARMLESS_VALUE = rf"({_COUNT}|\"({_COUNT})\"|[\w.,:/+-]*)(?=[\s;&|)]|$)"
_FILLED = re.compile(
    rf"(?<![\w$-])[A-Za-z_]\w{{0,99}}(\[[^]]{{0,200}}\])?\+?=(?!=)(?!{_HARMLESS_VALUE})|\b(read|mapfile|readarray|getopts)\b|"
    r"\bin\s(?!\$\(seq [\d ]{1,99}\)\s?[;\n])[^;\n]{0,2000}[$`*?'\"]"
)
"""Where a variable gets what is no plain word or number."""
_QUOTED_COMMAND = re.compile(r"'[^'$`]*(\$\(|`)[^']*'|\\[$`]\(?")


def evaluates_data(line: str) -> bool:
    """Whether a shell would evaluate what a variable or a quoted text holds."""
    if len(line) > MAX_LINE:
        return True
    quoted = _QUOTED_COMMAND.search(line) is not None
    if is_foreign(line) or (quoted and _COMPARING.search(line) is not None):
        return True
    return _EVALUATING.search(line) is not None and (quoted or _FILLED.search(line) is not None)
