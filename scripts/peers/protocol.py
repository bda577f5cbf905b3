"""Both ends of the pipe between the benchmark and a competitor, which has a process to itself.

The child writes one line of JSON when its imports are done, one when it is ready (a trainer when it has trained on its
first batch), and one for each command it reads: reset, train or infer of a trainer, many or single of a server.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scripts.peers.task import Task

Commands = dict[str, Callable[[], np.ndarray | None]]


class Competitor(Protocol):
    """What a peer's file implements. Each method returns when its work is done, not when it is queued."""

    def step(self) -> None:
        """Trains on one batch."""

    def reset(self) -> None:
        """Sets the weights to the task's."""

    def train(self) -> None:
        """Trains on each review once."""

    def infer(self) -> np.ndarray:
        """Logits of the test reviews, in their order."""
        ...


def serve(start: Callable[[Task, str], Competitor]) -> None:
    """The child's end: works off commands until the parent closes the pipe.

    Args:
      start: builds the competitor from a task and a variant, which are the arguments of this process.
    """

    def commands() -> Commands:
        competitor = start(Task.load(Path(sys.argv[1])), sys.argv[2])
        competitor.step()
        return {"reset": competitor.reset, "train": competitor.train, "infer": competitor.infer}

    work_off(commands)


def work_off(get_ready: Callable[[], Commands]) -> None:
    """Answers commands with the seconds they took, the peak memory, and the values that they gave."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    print("{}", file=answers)
    commands = get_ready()
    print("{}", file=answers)
    for line in sys.stdin:
        started = time.perf_counter()
        values = commands[line.strip()]()
        answer = {"seconds": time.perf_counter() - started, "memory_mb": peak_memory_mb()}
        print(json.dumps(answer if values is None else {**answer, "values": values.tolist()}), file=answers)


def peak_memory_mb() -> float:
    """The most memory that this process held at once.

    The kernel's mark in /proc starts anew with each program; that of getrusage counts the parent before it, too.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class ChildError(Exception):
    """A competitor ended without an answer."""


class Child:
    """The parent's end; starting it waits for the first training step.

    Args:
      command: what runs the competitor.
      environment: variables added to this process' own.
      log: file for what the child prints.

    Attributes:
      import_seconds: from the start of the process until its imports are done.
      first_step_seconds: from the start of the process until it has trained on a batch.
    """

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        started = time.perf_counter()
        with log.open("w") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=os.environ | environment,
                text=True,
                bufsize=1,
            )
        self._answer()
        self.import_seconds = time.perf_counter() - started
        self._answer()
        self.first_step_seconds = time.perf_counter() - started

    def ask(self, command: str) -> dict[str, Any]:
        """Sends a command and waits for its answer.

        Raises:
          ChildError: with the last line that the child printed.
        """
        with contextlib.suppress(BrokenPipeError):  # the missing answer tells
            print(command, file=self._process.stdin)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        if line := self._process.stdout.readline():
            return json.loads(line)
        last = self._log.read_text().strip().splitlines()[-1:]
        raise ChildError(f"ended with code {self._process.wait()}: {''.join(last)}")

    def close(self) -> None:
        """Ends the child."""
        self._process.communicate()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
