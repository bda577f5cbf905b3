"""Many runs from a grid of configs to results: their spread, the point that validation chooses, the ensemble."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from imdb_jax.config import Config, with_fields
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import UserError
from imdb_jax.runs.member import Member, Place, find_devices, places_for
from imdb_jax.runs.population import EnsembleResults, Point, Population, PopulationResults, Values, name_of
from imdb_jax.runs.run import RESULTS, Results
from imdb_jax.runs.statistics import Spreads, mean_logits, seeds_together
from imdb_jax.training.history import rank
from imdb_jax.training.metrics import score
from imdb_jax.training.signals import StopSignal
from imdb_jax.training.tables import text_table

log = logging.getLogger(__name__)

PAUSE = 0.05  # seconds between looks at the members


def run_sweep(
    config: Config,
    members: dict[str, Values],
    workdir: str | Path,
    *,
    code: Sequence[str] = (),
    places: Sequence[Place] | None = None,
    started: float | None = None,
) -> None:
    """Trains, or goes on training, the members of a population and writes its results.

    Args:
      config: what all members share.
      members: those to train beside the ones that are there, as `population.members` names them.
      workdir: each member is a run directory in it.
      code: Python files that a member's process runs first, such as one that defines an encoder.
      places: for one member at a time each; `places_for` chooses them unless given.
      started: `time.perf_counter()` when the command began.

    Raises:
      UserError: bad data, a workdir in use or of another config; members that failed, after all others have ended.
      Interrupted: by a signal, after each member that was training has saved its state.
    """
    started = time.perf_counter() if started is None else started
    population = Population(workdir)
    failed: dict[str, UserError] = {}
    with population.taken():
        members = population.joined(config, members)
        same = population.begun and population.members() == members
        results = population.results() if same else None
        found = {name: ended for name in members if (ended := population.run(name).results())}
        if results is None or results.failed or len(found) < len(members):  # a folder may be gone
            configs = {name: with_fields(config, values) for name, values in members.items()}
            for data in {each.data for each in configs.values()}:
                load_dataset(data)  # once for all members, who find it in the cache; bad data ends all at once
            if not same:
                population.begin(next(iter(configs.values())), members)
            places = places or places_for(len(members), *find_devices())
            found, failed = _train(population, configs, found, places, code)
            seconds = round(time.perf_counter() - started, 3)
            results = _results(population, config, members, found, failed, seconds)
            population.write_record(RESULTS, results)
        else:
            log.info(f"{population.folder} is finished; give it more seeds, or choose another --workdir")
        log.info(results_table(results, found))
    if failed:
        why = "; ".join(f"{name}: {error}" for name, error in failed.items())
        exit_code = next(iter(failed.values())).exit_code
        raise UserError(f"{population.folder}: {len(failed)} of {len(members)} members failed: {why}", exit_code)


def _train(
    population: Population,
    configs: Mapping[str, Config],
    found: Mapping[str, Results],
    places: Sequence[Place],
    code: Sequence[str],
) -> tuple[dict[str, Results], dict[str, UserError]]:
    """Trains each member that has not ended; the results of all that have, and what the others failed by."""
    results = {**found}
    failed: dict[str, UserError] = {}
    waiting = [name for name in configs if name not in results]
    training: dict[str, Member] = {}
    free = [*places]
    told = False
    with StopSignal() as stop:
        while training or (waiting and not stop.signum):
            if stop.signum and not told:
                for member in training.values():
                    member.stop(stop.signum)
                told = True
            while waiting and free and not stop.signum:
                name = waiting.pop(0)
                training[name] = Member(configs[name], population.run(name).folder, free.pop(0), code)
            time.sleep(PAUSE)
            for name in [name for name, member in training.items() if member.has_ended()]:
                member = training.pop(name)
                free.append(member.place)
                try:
                    for line in member.check():
                        log.warning(f"{name}: {line}")
                    each = population.run(name).results()
                except UserError as error:
                    if not stop.signum:
                        failed[name] = error
                        log.warning(f"{name}: {error}")
                    continue
                assert each is not None, f"{name} has ended well and left no results"
                results[name] = each
                log.info(
                    f"{name}  best epoch {each.best_epoch} of {each.epochs}  "
                    f"validation accuracy {each.validation.accuracy:.2%}  {each.seconds.total:.1f} s  "
                    f"({len(results) + len(failed)} of {len(configs)})"
                )  # the test split is for the table at the end
    return {name: results[name] for name in configs if name in results}, failed


def _results(
    population: Population,
    config: Config,
    members: dict[str, Values],
    found: dict[str, Results],
    failed: dict[str, UserError],
    seconds: float,
) -> PopulationResults:
    points = [
        Point(
            name_of({field: value for field, value in members[names[0]].items() if field != "seed"}),
            names,
            Spreads.of([found[name].validation for name in names]),
            Spreads.of([found[name].test for name in names]),
        )
        for names in seeds_together(members)
        if not failed.keys() & set(names)
    ]
    monitor = config.training.monitor
    chosen = max(points, key=lambda point: rank(getattr(point.validation, monitor).mean, monitor), default=None)
    ensemble = None
    if chosen is not None:
        scores = {}
        for split in ("validation", "test"):  # by the logits that its members kept: no split is read again
            runs = [population.run(name) for name in chosen.members]
            kept = [run.predictions(split) for run in runs]
            for run in runs if split == "test" else []:
                run.record_test_reading({"command": "train", "ensemble": chosen.members})
            scores[split] = score(mean_logits([each.logits for each in kept]), kept[0].labels)
        ensemble = EnsembleResults(chosen.name, chosen.members, **scores)
    return PopulationResults(points, ensemble, {name: str(error) for name, error in failed.items()}, seconds)


def results_table(results: PopulationResults, found: Mapping[str, Results]) -> str:
    """A row for each member, each point of the grid and the ensemble, as text."""
    members = [
        [name, f"{each.best_epoch}/{each.epochs}", *_cells(each), f"{each.seconds.total:.1f}"]
        for name, each in found.items()
    ]
    sections = [members]
    for point in results.points:
        rows = [[point.name or "mean ± std", "", *_cells(point)]]
        if len(point.members) > 1:
            accuracies = [split.accuracy.interval(".2%") for split in (point.validation, point.test)]
            rows.append(["95 % interval of the mean", "", *accuracies, point.test.loss.interval(".4f")])
        sections.append(rows)
    caption = f"{results.seconds:.1f} s in all"
    if (ensemble := results.ensemble) is not None:
        sections.append([[f"ensemble of {len(ensemble.members)}", "", *_cells(ensemble)]])
        if len(results.points) > 1:
            caption += f"; validation chooses {ensemble.name}, the ensemble is of its members"
    columns = ("", "best epoch", "validation", "test", "test loss", "s")
    return text_table(f"{len(members)} members", columns, *sections, caption=caption)


def _cells(of: Results | Point | EnsembleResults) -> list[str]:
    """Accuracy on both splits, and loss on test."""
    return [f"{of.validation.accuracy:.2%}", f"{of.test.accuracy:.2%}", f"{of.test.loss:.4f}"]
