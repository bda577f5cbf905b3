"""Lets competitors work in turn, one at a time, each in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from imdb_jax.errors import UserError
from scripts.commands import say

OURS = "imdb_jax"


class Entrant(NamedTuple):
    """A competitor: the module that serves it, and which of those that are there."""

    name: str
    module: str
    variant: str
    keras_backend: str = "jax"


class ChildError(UserError):
    """A competitor ended without an answer."""


class Child(contextlib.AbstractContextManager):
    """A competitor that waits for commands; see `protocol`.

    Args:
      entrant: what to start.
      folder: of its task; what it compiles it keeps in a folder of its own there.
    """

    def __init__(self, entrant: Entrant, folder: Path) -> None:
        cache = folder / entrant.name
        cache.mkdir(exist_ok=True)
        environment = {
            "IMDB_JAX_CACHE": str(cache),
            "JAX_COMPILATION_CACHE_DIR": str(cache / "compilation"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
            "KERAS_BACKEND": entrant.keras_backend,
            "JAX_TRACEBACK_FILTERING": "off",  # else the last line of a traceback would be about filtering
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # else the first would take a GPU's memory from the others
        }
        command = [sys.executable, "-m", entrant.module, str(folder), entrant.variant]
        self._name, self._log, self._started = entrant.name, cache / "log.txt", time.perf_counter()
        with self._log.open("w") as log:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=log, env=os.environ | environment, text=True, bufsize=1
            )
        self._answer()  # its imports are done

    def age(self) -> float:
        """Seconds since the start of the process."""
        return time.perf_counter() - self._started

    def ask(self, command: str) -> dict[str, Any]:
        """Sends a command and waits for its answer.

        Raises:
          ChildError: with the last line that the child printed.
        """
        with contextlib.suppress(BrokenPipeError):  # the missing answer tells
            print(command, file=self._process.stdin)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        if line := self._process.stdout.readline():
            return json.loads(line)
        code = self._process.wait()
        last = self._log.read_text().strip().splitlines()[-1:]
        raise ChildError(f"{self._name} ended with code {code}: {''.join(last)}")

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def compete(
    entrants: Sequence[Entrant], folder: Path, warm_up: Sequence[str], work: Sequence[str], rounds: int
) -> list[dict[str, Any]]:
    """Lets competitors work in turn, each of which is started twice, cold and with what it compiled the first time.

    Args:
      entrants: ours first, without which there is nothing to compare.
      folder: of their task.
      warm_up: commands that do all the work once, so that nothing compiles in a round; a start ends with the first one.
      work: commands of a round.
      rounds: how many.

    Returns:
      A record for each entrant, in their order: the seconds of `import` and of both starts, and the answers to the
      commands of `warm_up` and of each of `rounds`. Of a peer that died it says so in `error`.
    """
    records = [{"name": each.name, "variant": each.variant, "rounds": []} for each in entrants]
    children: dict[str, Child] = {}
    with contextlib.ExitStack() as stack:

        def start(entrant: Entrant, record: dict[str, Any]) -> None:
            with Child(entrant, folder) as cold:
                cold.ask(warm_up[0])
                record["cold"] = cold.age()
            child = children[entrant.name] = stack.enter_context(Child(entrant, folder))
            record["import"] = child.age()
            record["warm_up"] = {warm_up[0]: child.ask(warm_up[0])}
            record["cached"] = child.age()
            record["warm_up"] |= {command: child.ask(command) for command in warm_up[1:]}

        for number in range(rounds + 1):
            for entrant, record in zip(entrants, records, strict=True):
                if "error" in record:
                    continue
                say(f"{entrant.name}: {f'round {number}/{rounds}' if number else 'starting, working once to warm up'}")
                try:
                    if number:
                        record["rounds"].append({command: children[entrant.name].ask(command) for command in work})
                    else:
                        start(entrant, record)
                except ChildError as error:
                    if entrant.name == OURS:
                        raise
                    record["error"] = str(error)
                    say(str(error))
    return records


def without_values(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records as they are kept: seconds and memory of the rounds, without what was answered."""
    for record in records:
        record.pop("warm_up", None)
        for answer in (answer for answers in record["rounds"] for answer in answers.values()):
            answer.pop("values", None)
    return records
