"""What every command shares: errors in one line, exit codes, `--config FILE` with overrides, logging."""

import argparse
import contextlib
import errno
import gc
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import tyro

from imdb_jax.config import Config, load_file, run_file
from imdb_jax.errors import INTERNAL, IO_FAILED, USAGE, UserError

GC_THRESHOLD = 10_000  # new objects; JAX's imports make 200,000 that stay, and are searched for garbage meanwhile

Args = TypeVar("Args")
log = logging.getLogger("imdb_jax")


def run(command: Callable[[Sequence[str]], None], *, quiet: bool = False) -> NoReturn:
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


def parse(args: type[Args], arguments: Sequence[str], command: str, default: Args | None = None) -> Args:
    """Parses arguments into a dataclass; `--help` shows its docstring and lists its fields.

    `--code FILE` runs a file first, such as one that defines an encoder. What is not typed is as in `default`, or as
    the dataclass has it.

    Raises:
      UserError: an unknown option or a value that does not fit, told in one line.
    """
    code, arguments = take("--code", arguments)
    if code is not None:
        run_file(code)
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(
                args,
                prog=f"python -m imdb_jax.{command}",
                args=arguments,
                default=tyro.MISSING_NONPROP if default is None else default,
                use_underscores=True,
                config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as error:
        if not error.code:
            raise
        raise UserError(_unframe(told.getvalue()), USAGE) from None


def _unframe(box: str) -> str:
    """Tyro's framed complaint as one line, with the first of the options that it proposes."""
    lines = [re.sub(r"\x1b\[[0-9;]*m|[│─╭╮╰╯]|-{3,}", "", line).strip(" |+") for line in box.splitlines()[1:]]
    told = re.sub(r"\s+", " ", " ".join(lines).partition("For full helptext")[0]).strip()
    complaint, *advice = re.split(r"Perhaps you meant:|Arguments similar to \S+:", told)
    near = re.search(r"--[\w.]+", "".join(advice))
    return complaint.strip() + (f" (did you mean {near[0]}?)" if near else "")


def start_config(arguments: Sequence[str], begun: Callable[[str], Config | None]) -> tuple[Config, list[str]]:
    """The config that overrides start from, and the arguments left to parse.

    It is that of `--config FILE`, or where no file is named the one that `begun` finds in `--workdir`.
    """
    file, rest = take("--config", arguments)
    if file is not None:
        return load_file(file), rest
    workdir, _ = take("--workdir", arguments)
    if workdir is not None and (config := begun(workdir)) is not None:
        return config, rest
    if {"--help", "-h"} & set(rest):
        return Config(), rest
    raise UserError(
        "--config: needs the name of a config, such as quickstart, or a file, such as configs/quickstart.py"
    )


def utf8(argument: str) -> bytes:
    """A text of the command line as UTF-8, whatever the encoding of the terminal; what isn't text passes through."""
    return argument.encode("utf-8", sys.getfilesystemencodeerrors())


def take(option: str, arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Takes an option and its value out of the arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(option, dest="value")
    try:
        taken, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        raise UserError(f"{option}: needs a value, such as a file or a folder") from None
    return taken.value, rest
