"""What every command shares: options from a dataclass, and `--config FILE` with overrides."""

import argparse
import contextlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

from imdb_jax.config import Config, load_file, run_file
from imdb_jax.errors import USAGE, UserError

Args = TypeVar("Args")


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
    told = re.sub(r" Got errors: .*?(?= Argument helptext|$)", "", told)  # of each type that it might be
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
