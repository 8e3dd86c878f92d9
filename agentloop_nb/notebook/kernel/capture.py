"""Ordered capture of everything a step shows, by patches that let other people's output pass.

While a step runs, the instances of `sys.stdout`, `sys.stderr`, the display publisher, the display hook and the shell
are patched. What belongs to the step (see `scope`) goes into its `OutputLog`; everything else goes where it always
went.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from agentloop_nb.notebook.kernel import output_scope
from agentloop_nb.notebook.kernel.fd_capture import FdCapture
from agentloop_nb.notebook.kernel.outputlog import OutputLog
from agentloop_nb.notebook.kernel.widgets import ShownWidgets

_ABSENT = object()


def patch(stack: ExitStack, target: Any, name: str, replacement: Any) -> None:
    """Set an attribute of an instance until the stack unwinds."""
    before = target.__dict__.get(name, _ABSENT)
    setattr(target, name, replacement)

    def restore() -> None:
        if before is _ABSENT:
            target.__dict__.pop(name, None)
        else:
            setattr(target, name, before)

    stack.callback(restore)


class Capture:
    """Routes a step's output into `log`. Enter it on the thread that runs the step.

    `step` is its identity in `scope`, `quiet` whether a trailing `;` silences the last expression, `hides` picks the
    errors that are not shown, and `expects` tells whether something may have been written past Python's streams.
    """

    def __init__(
        self,
        shell: Any,
        log: OutputLog,
        step: object,
        *,
        quiet: bool,
        hides: Callable[[BaseException | None], bool],
        expects: Callable[[], bool],
    ) -> None:
        self._shell = shell
        self._log = log
        self._step = step
        self._quiet = quiet
        self._hides = hides
        self._expects = expects
        self._home = threading.get_ident()
        self._pid = os.getpid()
        self._widgets = ShownWidgets(log.update)
        self._stack = ExitStack()
        self.error: BaseException | None = None
        """The last error that was shown."""

    def owns(self) -> bool:
        """Whether the calling code belongs to the step."""
        return output_scope.belongs(self._step, self._home)

    def __enter__(self) -> Capture:
        expects = self._expects
        with ExitStack() as stack:
            self._descriptors = stack.enter_context(FdCapture(self._log.stream, expects))
            for name in ("stdout", "stderr"):
                self._patch_stream(stack, name)
            self._patch_displays(stack)
            self._patch_display_hook(stack)
            self._patch_errors(stack)
            self._keep_history(stack)
            stack.callback(self._widgets.close)
            stack.enter_context(output_scope.marked_threads())
            stack.enter_context(output_scope.entered(self._step))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def drain(self) -> None:
        """Wait until what was written to the process's descriptors has arrived."""
        self._descriptors.drain(expected=self._expects())

    # -- streams

    def _patch_stream(self, stack: ExitStack, name: str) -> None:
        stream = getattr(sys, name)
        original, fileno = stream.write, 1 if name == "stdout" else 2
        real = self._descriptors.real[name]

        def write(text: Any, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(text, str) or not self.owns():
                return real(text, *args, **kwargs)
            if os.getpid() != self._pid and not self._descriptors.active:
                return original(text, *args, **kwargs)
            if os.getpid() != self._pid:  # a forked child: its memory is not ours, but the descriptor is
                os.write(fileno, text.encode("utf-8", "replace"))
            else:
                self._log.stream(name, text)
            return len(text)

        patch(stack, stream, "write", write)

    # -- displays

    def _patch_displays(self, stack: ExitStack) -> None:
        publisher = self._shell.display_pub
        publish, clear = publisher.publish, publisher.clear_output

        def own_publish(
            data: dict[str, Any],
            metadata: dict[str, Any] | None = None,
            *args: Any,
            transient: dict[str, Any] | None = None,
            update: bool = False,
            **kwargs: Any,
        ) -> None:
            display_id = (transient or {}).get("display_id")
            if not self.owns():
                publish(data, metadata, *args, transient=transient, update=update, **kwargs)
            elif not update:
                self.drain()
                display_id = self._widgets.follow(data, metadata or {}, display_id)
                self._log.show("display_data", data, metadata or {}, display_id)
            elif display_id is not None and not self._log.update(display_id, data, metadata or {}):
                publish(data, metadata, transient=transient, update=True)  # it was shown before this step

        def own_clear(wait: bool = False) -> None:  # noqa: FBT001, FBT002
            if self.owns():
                self._log.clear(wait=wait)
            else:
                clear(wait)

        patch(stack, publisher, "publish", own_publish)
        patch(stack, publisher, "clear_output", own_clear)

    def _patch_display_hook(self, stack: ExitStack) -> None:
        hook = self._shell.displayhook

        def show(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
            self.drain()
            display_id = self._widgets.follow(data, metadata or {}, None)
            self._log.show("execute_result", data, metadata or {}, display_id)

        own: dict[str, Callable[..., Any]] = {
            "quiet": lambda: self._quiet,
            "write_output_prompt": lambda: None,
            "write_format_data": show,
            "finish_displayhook": lambda: setattr(hook, "_is_active", False),
            "update_user_ns": lambda _result: None,
            "log_output": lambda _data: None,
            "check_for_underscore": lambda: None,
        }
        for name, replacement in own.items():
            patch(stack, hook, name, self._either(replacement, getattr(hook, name)))
        stack.callback(setattr, hook, "exec_result", getattr(hook, "exec_result", None))

    def _either(self, own: Callable[..., Any], other: Callable[..., Any]) -> Callable[..., Any]:
        def choose(*args: Any, **kwargs: Any) -> Any:
            return (own if self.owns() else other)(*args, **kwargs)

        return choose

    # -- errors and history

    def _patch_errors(self, stack: ExitStack) -> None:
        show, render = self._shell._showtraceback, self._shell.showtraceback  # noqa: SLF001

        def own_show(kind: type[BaseException], error: BaseException, lines: list[str]) -> None:
            if self.owns():
                self.error = error
                self.drain()
                self._log.error(kind.__name__, _text(error), list(map(str, lines)))
            else:
                show(kind, error, lines)

        def own_render(*args: Any, **kwargs: Any) -> None:
            if not (self.owns() and self._hides(sys.exc_info()[1])):
                render(*args, **kwargs)

        patch(stack, self._shell, "_showtraceback", own_show)
        patch(stack, self._shell, "showtraceback", own_render)

    def _keep_history(self, stack: ExitStack) -> None:
        """IPython 9 notes the outputs of a cell by its number; a step has none, so its notes are taken back."""
        history = getattr(self._shell.history_manager, "outputs", None)
        if history is None:
            return
        count = self._shell.execution_count
        lengths = {number: len(history.get(number, ())) for number in (count - 1, count)}

        def restore() -> None:
            for number, length in lengths.items():
                if length:
                    del history[number][length:]
                else:
                    history.pop(number, None)

        stack.callback(restore)


def _text(error: BaseException) -> str:
    try:
        if isinstance(error, SyntaxError) and error.lineno is not None:  # str() would name the file it was compiled as
            return f"{error.msg} (line {error.lineno})"
        return str(error)
    except BaseException as inner:
        return f"<its message failed: {type(inner).__name__}>"
