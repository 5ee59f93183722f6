"""A child process that stays: it pays a slow import once, beside the parent's own work."""

import atexit
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from sluicegate.core import CannotDecide

from .environment import scrubbed


class Worker:
    """Answers JSON orders with the JSON of `target` ("module:function"), one at a time.

    `warm` names a function that the child calls at once, so that its imports run while the parent
    does something else. The child ends when this process does.
    """

    def __init__(self, target: str, warm: str) -> None:
        self._names = [target, warm]
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._turn = threading.Lock()
        self._asker: int | None = None

    def start(self) -> None:
        """Start the child, if it is not running, without waiting for it."""
        if (
            self._process is not None
            and self._owner == os.getpid()
            and self._process.poll() is None
        ):
            return
        self.stop()
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sluicegate.stores.worker", *self._names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=scrubbed(),
        )
        atexit.register(self.stop)

    def ask(self, order: object) -> Callable[[], Any]:
        """Send `order` and return a function that waits for the answer.

        The answer raises CannotDecide when the child died or its function raised.
        """
        self._turn.acquire()
        try:
            self.start()
            process = self._process
            if process is None or process.stdin is None or process.stdout is None:
                raise CannotDecide("A child process could not be started.")
            print(json.dumps(order), file=process.stdin, flush=True)
        except BaseException:
            self._turn.release()
            raise
        stdout = process.stdout
        self._asker = threading.get_ident()

        def answer() -> Any:
            try:
                line = stdout.readline()
                if not line.endswith("\n"):
                    self.stop()  # its pipe is closed, though it may not have ended yet
            finally:
                self._asker = None
                self._turn.release()
            if not line.endswith("\n"):
                raise CannotDecide(f"The child process of {self._names[0]} died; try again.")
            error, result = json.loads(line)
            if error is not None:
                raise CannotDecide(f"{self._names[0]} failed: {error}")
            return result

        return answer

    def abandon(self) -> None:
        """End the child and the turn of an order of this thread's whose answer nobody will read."""
        if self._asker == threading.get_ident():
            self._asker = None
            self.stop()
            self._turn.release()

    def stop(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()
        process.terminate()
        process.wait()


def _function(name: str) -> Callable[..., Any]:
    module, function = name.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def main() -> None:
    """Serve orders from stdin until it closes."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a vendor prints must not mix with the answers
    target, warm = sys.argv[1:]
    _function(warm)()
    carry_out = _function(target)
    for line in sys.stdin:
        try:
            result = json.dumps([None, carry_out(json.loads(line))])
        except Exception as error:  # noqa: BLE001 - the parent raises it again
            result = json.dumps([f"{type(error).__name__}: {error}", None])
        print(result, file=out, flush=True)


if __name__ == "__main__":
    main()
