"""Many runs from a grid of configs to results: their spread, the point that validation chooses, the ensemble."""

import logging
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from imdb_jax.config import Config, with_fields
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import UserError
from imdb_jax.runs.member import Member, Place, find_devices, places_for
from imdb_jax.runs.population import Population, name_of
from imdb_jax.runs.records import EnsembleResults, MemberResults, Point, PopulationResults, Results, Values
from imdb_jax.runs.statistics import Spread, Spreads, mean_logits, seeds_together
from imdb_jax.runtime import versions
from imdb_jax.training.history import rank
from imdb_jax.training.metrics import score
from imdb_jax.training.signals import Interrupted, StopSignal
from imdb_jax.training.tables import text_table

log = logging.getLogger(__name__)


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
    with population.taken(config, members) as members:
        same = population.begun and population.members() == members
        results = population.results() if same else None
        if results is None or results.failed:
            configs = {name: with_fields(config, values) for name, values in members.items()}
            for data in {each.data for each in configs.values()}:
                load_dataset(data)  # once for all members, who find it in the cache; bad data ends all at once
            if not same:
                population.begin(next(iter(configs.values())), members)
            found, failed = _train(population, configs, places or places_for(len(members), *find_devices()), code)
            results = _results(population, config, members, found, failed, time.perf_counter() - started)
            population.write_record("results.json", results)
        else:
            log.info(f"{population.folder} is finished; give it more seeds, or choose another --workdir")
        log.info(results_table(results))
    if failed:
        why = "; ".join(f"{name}: {error}" for name, error in failed.items())
        exit_code = next(iter(failed.values())).exit_code
        raise UserError(f"{population.folder}: {len(failed)} of {len(members)} members failed: {why}", exit_code)


def _train(
    population: Population, configs: Mapping[str, Config], places: Sequence[Place], code: Sequence[str]
) -> tuple[dict[str, Results], dict[str, UserError]]:
    """Trains each member that has not ended; the results of all that have, and what the others failed by."""
    training: dict[str, Member] = {}
    free: queue.SimpleQueue[Place] = queue.SimpleQueue()
    for place in places:
        free.put(place)

    def train(name: str) -> Results:
        run, place = population.run(name), free.get()
        try:
            if (results := run.results() if run.begun else None) is not None:
                return results
            if stop.signum:
                raise Interrupted(stop.signum)
            member = training[name] = Member(configs[name], run.folder, place, code)
            if stop.signum:  # it came while the process was started
                member.stop(stop.signum)
            member.watch(lambda line: None if stop.signum else log.warning(f"{name}: {line}"))
            results = run.results()
            assert results is not None, f"{name} has ended well and left no results"
            return results
        finally:
            training.pop(name, None)
            free.put(place)

    def stop_all(signum: int) -> None:
        for member in [*training.values()]:
            member.stop(signum)

    results, failed = {}, {}
    with StopSignal(stop_all) as stop, ThreadPoolExecutor(len(places)) as pool:
        futures = {pool.submit(train, name): name for name in configs}
        try:
            for future in as_completed(futures):
                name = futures[future]
                try:
                    results[name] = future.result()
                except Interrupted:
                    continue
                except UserError as error:
                    if not stop.signum:
                        failed[name] = error
                        log.warning(f"{name}: {error}")
                else:
                    each, ended = results[name], len(results) + len(failed)
                    log.info(
                        f"{name}  best epoch {each.best_epoch} of {each.epochs}  "
                        f"validation accuracy {each.validation.accuracy:.2%}  {each.seconds.total:.1f} s  "
                        f"({ended} of {len(configs)})"
                    )  # the test split is for the table at the end
        finally:
            pool.shutdown(cancel_futures=True)
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
    return PopulationResults(
        members=[
            MemberResults(
                name, members[name], each.best_epoch, each.epochs, each.validation, each.test, each.seconds.total
            )
            for name, each in found.items()
        ],
        points=points,
        ensemble=chosen and _ensemble(population, chosen),
        failed={name: str(error) for name, error in failed.items()},
        seconds=round(seconds, 3),
        versions=versions(),
        device=next((each.device for each in found.values()), {}),
    )


def _ensemble(population: Population, point: Point) -> EnsembleResults:
    """What the mean logit of a point's members reaches, by the logits that they kept: no split is read again."""
    scores = {}
    for split in ("validation", "test"):
        kept = [population.run(name).predictions(split) for name in point.members]
        scores[split] = score(mean_logits([each.logits for each in kept]), kept[0].labels)
    return EnsembleResults(point.name, point.members, **scores)


def results_table(results: PopulationResults) -> str:
    """A row for each member, each point of the grid and the ensemble, as text."""
    members = [
        [each.name, f"{each.best_epoch}/{each.epochs}", *_cells(each, _figure), f"{each.seconds:.1f}"]
        for each in results.members
    ]
    sections = [members]
    for point in results.points:
        rows = [[point.name or "mean ± std", "", *_cells(point, _mean)]]
        if len(point.members) > 1:
            rows.append(["95 % interval of the mean", "", *_cells(point, _interval)])
        sections.append(rows)
    caption = f"{results.seconds:.1f} s in all"
    if (ensemble := results.ensemble) is not None:
        sections.append([[f"ensemble of {len(ensemble.members)}", "", *_cells(ensemble, _figure)]])
        if len(results.points) > 1:
            caption += f"; validation chooses {ensemble.name}, the ensemble is of its members"
    columns = ("", "best epoch", "validation, %", "test, %", "test loss", "s")
    return text_table(f"{len(members)} members", columns, *sections, caption=caption)


def _cells(of: MemberResults | Point | EnsembleResults, show: Callable[[Any, float, str], str]) -> list[str]:
    """Accuracy on both splits in percent, and loss on test."""
    return [
        show(of.validation.accuracy, 100.0, ".2f"),
        show(of.test.accuracy, 100.0, ".2f"),
        show(of.test.loss, 1.0, ".4f"),
    ]


def _figure(value: float, scale: float, form: str) -> str:
    return f"{scale * value:{form}}"


def _mean(spread: Spread, scale: float, form: str) -> str:
    mean = _figure(spread.mean, scale, form)
    return f"{mean} ± {_figure(spread.std, scale, form)}" if spread.std else mean


def _interval(spread: Spread, scale: float, form: str) -> str:
    if spread.low is None or spread.high is None:
        return "-"
    return f"{_figure(spread.low, scale, form)} – {_figure(spread.high, scale, form)}"
