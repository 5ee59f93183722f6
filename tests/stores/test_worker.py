"""The worker: an order, an answer, and a child that may die."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from sluicegate.core import CannotDecide
from sluicegate.stores.worker import Worker


@pytest.fixture
def worker() -> Any:
    """A worker whose function is one of the standard library's: JSON of its order."""
    made = Worker("builtins:dict", "gc:collect")
    yield made
    made.stop()


def test_an_order_is_answered_again_and_again(worker: Worker) -> None:
    """One child answers many orders, one after the other."""
    assert worker.ask({"a": [1, "文"]})() == {"a": [1, "文"]}
    child = worker._process
    assert worker.ask({"b": 2})() == {"b": 2}
    assert worker._process is child


def test_a_child_that_died_cannot_decide_and_the_next_order_is_answered(worker: Worker) -> None:
    """No answer is no verdict; a new child takes the next order."""
    worker.ask({"a": 1})()
    child = worker._process
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)
    answer = worker.ask({"b": 2})
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(CannotDecide, match="died; try again"):
        answer()
    assert worker.ask({"c": 3})() == {"c": 3}


def test_an_answer_that_nobody_reads_does_not_block_the_next(worker: Worker) -> None:
    """An order that was given up ends its child, and the next answer is the next order's."""
    worker.ask({"a": 1})
    worker.abandon()
    worker.abandon()
    assert worker.ask({"b": 2})() == {"b": 2}


def test_what_the_function_raises_cannot_decide() -> None:
    """The child lives on after an order that its function failed at."""
    worker = Worker("operator:itemgetter", "gc:collect")
    try:
        with pytest.raises(CannotDecide, match="itemgetter failed"):
            worker.ask({"a": 1})()
        assert worker._process is not None
        assert worker._process.poll() is None
    finally:
        worker.stop()


def test_a_child_does_not_inherit_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is scrubbed to what a process needs to run."""
    from sluicegate.stores.environment import scrubbed

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("PYTHONPATH", "/evil")
    assert not {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(scrubbed())
    assert scrubbed()["PATH"].startswith(str(Path(sys.executable).parent))
