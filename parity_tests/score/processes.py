"""A process for every hunt: a fault that crashes, hangs or changes global state costs itself only.

The processes fork from a server that has imported everything, so that each starts in no time.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import torch

from parity_tests.score.hunt import fault_named, hunt, unjudged, verdict
from parity_tests.score.others import ask

HANGS = 600  # seconds after which a hunt is given up; the longest honest one takes a third of it

# The last is what torch itself imports when the error analysis first traces an operator.
PRELOADED = ["parity_tests.planted", "parity_tests.score.hunt", "torch._dynamo"]


class Task(NamedTuple):
    """One hunt, and how it is told to another process."""

    corpus: str
    name: str
    profile: str
    seed: int
    method: str = "suite"  # or one of the others


def server() -> Any:
    """Where the suite's hunts are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class Worker:
    """The process of one hunt, and the last it said."""

    def __init__(self, task: Task) -> None:
        self.task, self.said, self.started = task, {"check": None}, time.monotonic()
        context: Any = server() if task.method == "suite" else multiprocessing.get_context("fork")
        self.ear, mouth = context.Pipe(duplex=False)
        self.process = context.Process(target=tell, args=(mouth, task), daemon=True)
        self.process.start()
        mouth.close()

    def listen(self) -> dict[str, Any] | None:
        """What became of the fault, if that is known by now."""
        try:
            while self.ear.poll():
                self.said = self.ear.recv()
        except EOFError:
            self.process.join()
        if "killed" in self.said:
            return self.said
        if self.process.exitcode is not None:
            return self.died(self.said["check"])
        if self.age > HANGS:
            return unjudged(self.task.seed, f"no end of {self.said['check']} in {HANGS} seconds")
        return None

    def died(self, check: str | None) -> dict[str, Any]:
        """A crash in a cell is a failure of that cell, as in an ordinary run."""
        if check is None:
            return unjudged(self.task.seed, "the process died at its start")
        found = {"seed": self.task.seed, "cases": 0, "seconds": self.age}
        return verdict(fault_named(self.task.corpus, self.task.name), found, check, "crash")

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return round(time.monotonic() - self.started, 2)

    def close(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join()
        self.ear.close()


def tell(mouth: Connection, task: Task) -> None:
    """The other process: hunt, and say how it goes."""
    try:
        for said in steps(task):
            mouth.send(said)
    except Exception:
        mouth.send(unjudged(task.seed, traceback.format_exc()))


def steps(task: Task) -> Iterator[dict[str, Any]]:
    """What is being done, and at the end what came of it."""
    if task.method == "suite":
        yield from hunt(*task[:4])
        return
    torch.set_num_threads(1)
    yield {"check": task.method}
    yield {"killed": ask(fault_named(task.corpus, task.name), task.method)}


def hunted(tasks: Iterable[Task], workers: int) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Every task with what became of its fault, as they end, so many at a time."""
    waiting, busy = iter(tasks), list[Worker]()
    try:
        while True:
            busy += [Worker(task) for task in islice(waiting, workers - len(busy))]
            if not busy:
                return
            wait([worker.ear for worker in busy], timeout=1)
            for worker in list(busy):
                if (found := worker.listen()) is not None:
                    busy.remove(worker)
                    worker.close()
                    yield worker.task, found
    finally:
        for worker in busy:
            worker.close()
