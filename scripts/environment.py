"""The virtual environment that the scripts beside this one run in; needs nothing but Python.

It is made on first use and brought up to date when pyproject.toml changes. IMDB_JAX_VENV puts it elsewhere than
`.venv`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)


def python(*extras: str) -> Path:
    """Makes sure that the package and its extras are installed.

    Returns:
      The environment's Python.
    """
    folder = Path(os.environ.get("IMDB_JAX_VENV", ROOT / ".venv"))
    installed = folder / f"installed-{'-'.join(extras) or 'base'}"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    executable = folder / "bin" / "python"
    if installed.exists() and installed.read_text() == wanted:
        return executable
    if not executable.exists():
        make(folder)
    what = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    say(f"installing {what} into {folder}: a minute on first use")
    pip = [executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--editable", what]
    if subprocess.run(pip).returncode:
        stop("pip could not install the packages above; is there a connection to a package index?")
    installed.write_text(wanted)
    return executable


def make(folder: Path) -> None:
    """Makes an empty virtual environment with a Python that is new enough."""
    found = newest_python()
    say(f"making a virtual environment in {folder} with {found}")
    made = subprocess.run([found, "-m", "venv", folder], capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        stop(f"{found} -m venv failed: {made.stdout}{made.stderr}\nOn Debian or Ubuntu, install python3-venv.")


def newest_python() -> str:
    """This Python if it is new enough, else one that is on the PATH."""
    if sys.version_info >= OLDEST:
        return sys.executable
    found = [path for minor in (13, 12, 11) if (path := shutil.which(f"python3.{minor}"))]
    if not found:
        stop(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; this is {sys.version.split()[0]}")
    return found[0]


def say(text: str) -> None:
    print(f"[{Path(sys.argv[0]).name}] {text}", file=sys.stderr, flush=True)


def stop(text: str) -> NoReturn:
    say(f"error: {text}")
    sys.exit(1)
