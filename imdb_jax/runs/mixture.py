"""Runs that are read as one: those of a population alike, or different systems whose logits have weights."""

import dataclasses
import logging
import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import tyro
from jaxtyping import Float64
from numpy import ndarray

from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.runs.population import runs_for
from imdb_jax.runs.run import Run
from imdb_jax.runs.statistics import log_odds_weights, mean_logits
from imdb_jax.storage import local_path

log = logging.getLogger(__name__)


class Mixture(NamedTuple):
    """Runs, and what the logit of each counts; without weights their mean logit decides."""

    runs: list[Run]
    weights: list[float] | None = None
    formula: str = ""  # with weights: what the mixture computes, for people

    def kept_logits(self, split: str) -> Float64[ndarray, " N"]:
        """What finished runs said of a split when they ended."""
        return mean_logits([run.predictions(split).logits for run in self.runs], self.weights)


@dataclasses.dataclass(frozen=True)
class Mix:
    """Options of the commands that mix systems."""

    mix: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Another finished run or population of the same reviews, whose logits are mixed with those of the first; may be
    given several times."""
    weights: str | None = None
    """With --mix: what each run counts, the first one first, such as 0.7,0.2,0.1; their logits are scaled on
    validation before. None: validation chooses the weights."""

    def with_first(self, folder: str) -> Mixture:
        """A run, or the members of a population that validation chose, and those that are mixed with them.

        Each scale is that of the log-odds of the run's validation labels. Weights that are not given are those of the
        logits that together come nearest to these log-odds.

        Raises:
          UserError: no run there, weights that do not fit, or none given for runs of different validation reviews.
        """
        folders = [folder, *(str(local_path(each, "--mix")) for each in self.mix)]
        parts = [runs_for(each) for each in folders]
        if len(parts) == 1:
            if self.weights is not None:
                raise UserError(f"--weights: {self.weights!r}; only for several runs, name the others by --mix")
            return Mixture(parts[0])
        runs = [run for part in parts for run in part]
        places = [run.folder.resolve() for run in runs]
        if twice := [str(run.folder) for run, place in zip(runs, places, strict=True) if places.count(place) > 1]:
            raise UserError(f"--mix: {twice[-1]} is in the mixture twice; name each run once")
        kept = [Mixture(part).kept_logits("validation") for part in parts]
        labels = [part[0].predictions("validation").labels for part in parts]
        if self.weights is None:
            check_same_reviews(folders, runs, "validation", "hold out the same, or give --weights and --split test")
            weights = log_odds_weights(kept, labels[0])
        else:
            shares = _shares(self.weights, len(folders))
            scales = [log_odds_weights([logits], of_part)[0] for logits, of_part in zip(kept, labels, strict=True)]
            weights = [share * scale for share, scale in zip(shares, scales, strict=True)]
        if sum(weights) <= 0:
            raise UserError(f"{', '.join(folders)}: none is better than chance on validation", BAD_DATA)
        formula = "logit = " + " + ".join(f"{w:.3g} {each}" for w, each in zip(weights, folders, strict=True))
        log.info(formula)
        of_runs = [weight / len(part) for weight, part in zip(weights, parts, strict=True) for _ in part]
        return Mixture(runs, of_runs, formula)


def check_same_reviews(names: Sequence[str], runs: Sequence[Run], split: str, advice: str) -> None:
    """Refuses finished runs that do not share the reviews of a split (65)."""
    first, *others = runs
    if not all(first.has_reviews_of(other, split) for other in others):
        raise UserError(f"{', '.join(names)}: not of the same reviews; {advice}", BAD_DATA)


def _shares(text: str, count: int) -> list[float]:
    """Reads weights and divides them by their sum."""
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        weights = []
    if len(weights) != count or min(weights) < 0 or not 0 < sum(weights) < math.inf:
        raise UserError(f"--weights: {text!r}; must be {count} numbers, one for each run, none below 0, not all 0")
    return [weight / sum(weights) for weight in weights]
