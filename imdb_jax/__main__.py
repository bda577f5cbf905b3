"""All commands behind one name: `imdb-jax train ...` is `python -m imdb_jax.train ...`."""

import difflib
import importlib
import sys
from collections.abc import Sequence

from imdb_jax import __version__
from imdb_jax.errors import UserError, run_command

COMMANDS = {
    "train": "trains a model, or many",
    "predict": "reads reviews with a trained run",
    "evaluate": "scores a trained run",
    "audit": "looks over the reviews of a config",
    "report": "shows what runs learned on a page",
    "compare": "says whether two runs differ",
    "export": "writes a trained run as one file",
    "vectors": "word vectors of a run or a file",
    "vocabulary": "words and ids of a trained run",
}


def dispatch(arguments: Sequence[str]) -> None:
    """Runs the command that comes first, with the rest; without any it lists them all."""
    name, *rest = arguments or ["--help"]
    if name == "--version":
        sys.stdout.write(f"imdb-jax {__version__}\n")
    elif name in ("--help", "-h"):
        lines = [f"  {command:<12}{text}\n" for command, text in COMMANDS.items()]
        usage = "usage: imdb-jax COMMAND ...    (`imdb-jax COMMAND --help` lists its options)\n\n"
        sys.stdout.writelines([usage, *lines])
    elif name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"{name}: no such command{hint}; there are {', '.join(COMMANDS)}")
    else:
        importlib.import_module(f"imdb_jax.{name}").main(rest)


def main() -> None:
    """The console command `imdb-jax`."""
    run_command(dispatch)


if __name__ == "__main__":
    main()
