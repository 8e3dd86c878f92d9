"""A front end that only has a keyboard: cells run in a real kernel, and what is asked is typed."""

from __future__ import annotations

import json
import os
import queue
import signal
from pathlib import Path

from jupyter_client.manager import start_new_kernel

LOAD = "%load_ext agentloop_nb"


class Kernel:
    """A kernel whose front end has a keyboard, and no page that serves the panel."""

    def __init__(self, folder: Path) -> None:
        self.manager, self.client = start_new_kernel(cwd=str(folder))
        self.execute(LOAD)

    def execute(self, cell: str, *answers: str | None) -> tuple[list[str], str]:
        """Run a cell, typing these answers when asked (None: nothing). Returns the prompts and what was shown."""
        self.client.execute(cell, allow_stdin=True)
        prompts = [self.asked(answer) for answer in answers]
        return prompts, self.shown()

    def asked(self, answer: str | None = None) -> str:
        prompt = self.client.get_stdin_msg(timeout=60)["content"]["prompt"]
        if answer is not None:
            self.client.input(answer)
        return str(prompt)

    def shown(self) -> str:
        found = []
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=60)
            except queue.Empty:
                raise AssertionError("the cell hangs") from None
            kind, content = message["msg_type"], message["content"]
            found.append(content.get("text") or json.dumps(content.get("data") or content.get("evalue") or ""))
            if kind == "status" and content["execution_state"] == "idle":
                return "\n".join(found)

    def kill(self) -> None:
        os.kill(self.manager.provisioner.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
