"""The one exception that a user's mistake raises, and how a command ends: with one line and an exit code."""

import errno
import gc
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

USAGE = 2
BAD_DATA = 65
MISSING_INPUT = 66
INTERNAL = 70
LOCKED = 73
IO_FAILED = 74

LONGEST = 2_000  # characters of a message
GC_THRESHOLD = 10_000  # new objects; JAX's imports make 200,000 that stay, and are searched for garbage meanwhile

log = logging.getLogger("imdb_jax")


class UserError(Exception):
    """Something the user can put right: shown as one line without a traceback.

    Args:
      message: `<file>[:line]` or `<field>`, what is wrong, what is allowed or the fix. What it quotes may be anything:
        line breaks become spaces, and the middle of a long message is left out.
      exit_code: what the command exits with; `sysexits.h` numbers, 2 for usage and config.
    """

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        line = " ".join(message.splitlines())
        if len(line) > LONGEST:
            line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
        super().__init__(line)
        self.exit_code = exit_code


def run_command(command: Callable[[Sequence[str]], None], *, quiet: bool = False) -> NoReturn:
    """Runs a command on the arguments of this process, then exits.

    A user's mistake is one line on stderr and its exit code; a traceback is for mistakes of ours, or for `--debug`.
    A quiet command shows warnings and errors alone.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by who started this, or a window without a terminal
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - until the process ends
    gc.set_threshold(GC_THRESHOLD)
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    log.setLevel(logging.INFO)
    screen = logging.StreamHandler()
    screen.setLevel(logging.WARNING if quiet else logging.INFO)
    log.addHandler(screen)
    log.propagate = False  # libraries set up the root logger as they please
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a pipe on Windows may know few letters
    try:
        command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # the reader of our output has seen enough
    except KeyboardInterrupt as error:
        if error.args:  # training was interrupted, and says how
            log.error("%s", error)
        sys.exit(getattr(error, "exit_code", 130))
    except Exception as error:
        exit_code = getattr(error, "exit_code", INTERNAL)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            exit_code = IO_FAILED
            error = UserError(f"{error.strerror}; make room and run the same command again")
        elif isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            exit_code = USAGE
            error = UserError(f"{error.filename}: {error.strerror}")
        elif isinstance(error, PermissionError) and error.filename and exit_code == INTERNAL:  # somebody else's folder
            exit_code = IO_FAILED
            error = UserError(f"{error.filename}: {error.strerror}")
        if exit_code == INTERNAL:
            log.exception("this should not happen; please report it with the lines below")
        else:
            log.error("error: %s" if isinstance(error, UserError) else "%s", error, exc_info=debug)
        sys.exit(exit_code)
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:  # Python would try again, and end with 120
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(0)
