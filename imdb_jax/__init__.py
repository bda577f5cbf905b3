"""A small, fast JAX/Flax trainer for sentiment classification of the IMDB movie reviews.

    from imdb_jax import Predictor, build_model, fit, load_config, load_dataset

Each name is imported when it is first asked for, so that `import imdb_jax` takes no time.
"""

import importlib
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imdb_jax.config import Config as Config
    from imdb_jax.config import load_file as load_config  # noqa: F401
    from imdb_jax.data.dataset import load_dataset as load_dataset
    from imdb_jax.inference.predictor import Predictor as Predictor
    from imdb_jax.runs.experiment import fit as fit
    from imdb_jax.runs.run import Run as Run
    from imdb_jax.training.build import build_model as build_model
    from imdb_jax.training.build import summary as summary
    from imdb_jax.training.build import vector_coverage as vector_coverage

__version__ = "0.1.0"

_HOMES = {
    "Config": "config.Config",
    "load_config": "config.load_file",
    "load_dataset": "data.dataset.load_dataset",
    "vector_coverage": "training.build.vector_coverage",
    "build_model": "training.build.build_model",
    "summary": "training.build.summary",
    "fit": "runs.experiment.fit",
    "Run": "runs.run.Run",
    "Predictor": "inference.predictor.Predictor",
}
__all__ = [*_HOMES]  # pyright: ignore  (a list that is spelt once)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imdb_jax' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].rpartition(".")
    return getattr(importlib.import_module(f"imdb_jax.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


# "-m" and a name of ours: Python looks for a command of this package. A KeyboardInterrupt would be printed with a
# traceback while it imports, or lost where JAX is called back by the garbage collector; the signal itself ends the
# process, with 130 in a shell. Another program may import this package as early, and keeps its interrupts.
if (
    sys.argv[:1] == ["-m"]
    and any(each.partition(".")[0] == __name__ for each in sys.orig_argv)
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
