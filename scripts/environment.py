"""The virtual environment of the scripts beside this one; needs nothing but Python.

It lies in `.venv` or $IMDB_JAX_VENV, is made on first use and brought up to date when pyproject.toml changes.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("IMDB_JAX_VENV", ROOT / ".venv")).absolute()
PYTHON = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def python(*extras):
    """Makes sure that the package and its extras are installed; returns the environment's Python."""
    project, installed = (ROOT / "pyproject.toml").read_text(), FOLDER / f"installed-{'-'.join(extras) or 'base'}"
    if installed.exists() and installed.read_text() == project:
        return PYTHON
    if not PYTHON.exists():
        names = ("python3.14", "python3.13", "python3.12", "python3.11")
        found = sys.executable if sys.version_info >= (3, 11) else next(filter(_works, names), None)
        if found is None:
            sys.exit(f"error: Python 3.11 or newer is needed; this is {sys.version.split()[0]}, and PATH has no other")
        _call("on Debian or Ubuntu, install python3-venv", found, "-m", "venv", "--clear", FOLDER)
    what = f"{ROOT}[{','.join(extras)}]" if extras else ROOT
    print(f"installing {what} into {FOLDER}: a minute on first use", file=sys.stderr, flush=True)
    pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--editable", what)
    _call("is there a connection to a package index?", *pip)
    installed.write_text(project)
    return PYTHON


def _works(name):
    """Whether a Python is there; pyenv has commands for those that are not, too."""
    return shutil.which(name) and subprocess.run([name, "-c", ""], stderr=subprocess.DEVNULL).returncode == 0


def _call(advice, *command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["no word"]
        told = [line.strip() for line in lines if line.strip().startswith(("Error", "ERROR"))] or lines[-1:]
        sys.exit(f"error: {' '.join(map(str, command))} failed ({told[0]}); {advice}")


def run(module, *extras, arguments=None, **variables):
    """Runs a module and exits as it does, with the arguments of this script unless given; --help needs no extra."""
    executable = python(*([] if {"-h", "--help"} & set(sys.argv) else extras))
    command = [executable, "-m", module, *(sys.argv[1:] if arguments is None else arguments)]
    sys.exit(subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}).returncode)
