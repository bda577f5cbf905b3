"""The competitor's end of the pipe to the benchmark; see `turns.Child` for the other one.

A competitor has a process to itself. It writes one line of JSON when its imports are done, and one for each line that
it reads, the name of a method. Those of a trainer are step (trains on one batch), reset (sets the weights to the
task's), train (on each review once) and infer (logits of the test reviews); those of a server many and single. A method
returns when its work is done, not when it is queued.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.peers.task import Task


def serve(start: Callable[[Task, str], Any]) -> None:
    """Works off commands until the pipe is closed; answers tell seconds, peak memory, and the values of the method.

    Args:
      start: builds the competitor from a task, whose folder is the first argument of this process, and a variant, which
        is the second.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    print("{}", file=answers)
    competitor = start(Task.load(Path(sys.argv[1])), sys.argv[2])
    for line in sys.stdin:
        started = time.perf_counter()
        values = getattr(competitor, line.strip())()
        answer = {"seconds": time.perf_counter() - started, "memory_mb": peak_memory_mb()}
        print(json.dumps(answer if values is None else {**answer, "values": values.tolist()}), file=answers)


def peak_memory_mb() -> float:
    """The most memory that this process held at once.

    The kernel's mark in /proc starts anew with each program; that of getrusage counts the parent before it, too.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
