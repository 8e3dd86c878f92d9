# ruff: noqa: INP001, T201
"""Print the Nth set-up command of the README, so that what is checked is what is written there."""

import re
import sys
from pathlib import Path

readme = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
section = readme.partition("## Set up")[2].partition("\n## ")[0]
commands = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
print(commands[int(sys.argv[1]) - 1].strip())
