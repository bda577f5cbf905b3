"""One of several runs in a process of its own: how it is started, and what it does.

A process of its own means one run to signals, logs, counts of compilations and Orbax alike. It is pinned to some cores
or sees one accelerator only, and ends when the process that started it does.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from imdb_jax.config import Config, dump, load, run_file
from imdb_jax.errors import INTERNAL, UserError, run_command
from imdb_jax.runtime import set_up_process, usable_cores

# what `find_devices` asks, in a process of its own, since an accelerator belongs to the process that looks for it
PROBE = """
import jax
devices = jax.local_devices()
print(devices[0].platform, len({getattr(device, "coords", device.id) for device in devices}))
"""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one run at a time can train."""

    cores: Sequence[int]
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    """Variables that show one accelerator to the process; none on a CPU."""


def find_devices() -> tuple[str, int]:
    """JAX's platform here, such as "cpu" or "tpu", and how many devices or chips it has."""
    probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)  # noqa: S603
    if probe.returncode:
        raise UserError(f"JAX finds no device: {(probe.stderr.splitlines() or ['it says nothing'])[-1]}")
    platform, count = probe.stdout.split()[-2:]
    return platform, int(count)


def places_for(members: int, platform: str, count: int) -> list[Place]:
    """A place for each of the runs that train at the same time: an accelerator, or a core of this CPU.

    A core loses less time with a whole batch than with its share (LOG.md). Platform and count are those that
    `find_devices` says.

    Example: a CPU of 8 cores and 3 members give 4 places of 2 cores, of which 3 are taken.
    """
    cores = usable_cores()
    if platform == "cpu":
        size = max(1, len(cores) // members)
        return [Place(cores[at : at + size]) for at in range(0, len(cores), size)]
    if platform == "tpu":
        one = {"TPU_CHIPS_PER_PROCESS_BOUNDS": "1,1,1", "TPU_PROCESS_BOUNDS": "1,1,1"}
        return [Place(cores, {"TPU_VISIBLE_CHIPS": str(number), **one}) for number in range(count)]
    name = "CUDA_VISIBLE_DEVICES"  # which may show a part of the machine's devices already
    shown = [each for each in os.environ.get(name, "").split(",") if each] or [str(each) for each in range(count)]
    return [Place(cores, {name: each}) for each in shown[:count]]


class Member:
    """A run in a process that has just been started.

    The process runs the Python files of `code` before, such as one that defines an encoder.
    """

    def __init__(self, config: Config, folder: Path, place: Place, code: Sequence[str]) -> None:
        self.place = place
        self._told = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed by `check`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "imdb_jax.runs.member"],
            stdin=subprocess.PIPE,
            stderr=self._told,
            text=True,
            env=os.environ | place.environment,
            start_new_session=True,  # a Ctrl-C in the terminal goes to the process that watches, which passes it on
        )
        order = {"config": dump(config), "folder": str(folder), "cores": list(place.cores), "code": list(code)}
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended already; `check` tells how
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()  # left open: it ends when this process does

    def stop(self, signum: int) -> None:
        """Asks the run to save its state and end."""
        with contextlib.suppress(ValueError):  # Windows sends no SIGINT; its console gives each process that itself
            self._process.send_signal(signum)

    def has_ended(self) -> bool:
        """Whether `check` may be called."""
        return self._process.poll() is not None

    def check(self) -> list[str]:
        """The warnings of a run that has ended well; raises the `UserError` of one that has not."""
        with self._process, self._told:
            self._told.seek(0)
            lines = self._told.read().splitlines()
        if code := self._process.returncode:
            last = lines[-1].removeprefix("error: ") if lines else f"ended with code {code}"
            raise UserError(last, code if code > 0 else INTERNAL)
        return lines


def main(_: Sequence[str]) -> None:
    """Trains the run that standard input names, as `run_experiment` would alone."""
    started = time.perf_counter()
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cores = order["cores"]
    if hasattr(os, "sched_setaffinity"):  # macOS and Windows have none
        os.sched_setaffinity(0, cores)
    for file in order["code"]:
        run_file(file)
    from imdb_jax.runs.experiment import run_experiment  # after the cores are chosen: JAX starts a thread for each

    set_up_process(cpu_devices=len(cores))
    config = load(Config, order["config"], f"{order['folder']}: config")
    run_experiment(config, order["folder"], started=started)


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run_command(main, quiet=True)
