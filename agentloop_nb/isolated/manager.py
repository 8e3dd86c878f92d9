"""A Jupyter kernel manager for one command, imported only where a process is started."""

from __future__ import annotations

from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager


class _One(KernelSpecManager):
    """Knows one kernel, whatever is installed."""

    command: list[str]

    def get_kernel_spec(self, kernel_name: str) -> Any:
        return KernelSpec(argv=self.command, display_name="isolated")


def new_manager(command: list[str]) -> AsyncKernelManager:
    """Manage a kernel that is started by a command with a `{connection_file}` in it."""
    spec = _One()
    spec.command = command
    return AsyncKernelManager(kernel_spec_manager=spec, kernel_name="isolated")
