"""Many runs from a grid of configs to results: their spread, the point that validation chooses, the ensemble."""

import logging
import math
import queue
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import jax
from rich.table import Table

from imdb_jax.config import Config, with_fields
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import UserError
from imdb_jax.runs.experiment import run_member
from imdb_jax.runs.population import Values, name_of
from imdb_jax.runtime import device, versions
from imdb_jax.runs.population import Population
from imdb_jax.training.devices import places_for
from imdb_jax.training.logs import off_screen
from imdb_jax.training.tables import render
from imdb_jax.training.metrics import score
from imdb_jax.training.signals import Interrupted, StopSignal
from imdb_jax.runs.statistics import mean_and_std, mean_logits, seeds_together, spreads

log = logging.getLogger(__name__)

SPLITS = ("validation", "test")
COLUMNS = (
    ("validation", "accuracy", 100, 2),
    ("test", "accuracy", 100, 2),
    ("test", "loss", 1, 4),
)  # split, figure, scale, digits

Failures = dict[str, UserError]
Results = dict[str, dict[str, Any]]


def run_sweep(
    config: Config,
    members: dict[str, Values],
    workdir: str | Path,
    started: float,
    places: Sequence[Sequence[Any]] | None = None,
) -> None:
    """Trains, or goes on training, the members of a population and writes its results.

    Args:
      config: what all members share.
      members: those to train beside the ones that are there, as `grid.members` names them.
      workdir: the population's directory; each member is a run directory in it.
      started: `time.perf_counter()` when the command began.
      places: devices for one member at a time each; `places_for` chooses them unless given.

    Raises:
      UserError: bad data, a workdir in use or of another config; members that failed, after all others have ended.
      Interrupted: by a signal, after each member that was training has saved its state.
    """
    population = Population(workdir)
    with population.taken(config, members) as members:
        same = population.begun and population.members() == members
        results = population.results() if same else None
        if results is None or results["failed"]:
            configs = {name: with_fields(config, values) for name, values in members.items()}
            found, failed = _train(population, configs, members, places)
            results = _results(population, config, members, found, failed, time.perf_counter() - started)
            population.write_results(results)
        else:
            failed = {}
            log.info(f"{population.folder} is finished; give it more seeds, or choose another --workdir")
        log.info(results_table(results))
    if failed:
        why = "; ".join(f"{name}: {error}" for name, error in failed.items())
        exit_code = next(iter(failed.values())).exit_code
        raise UserError(f"{population.folder}: {len(failed)} of {len(members)} members failed: {why}", exit_code)


def _train(
    population: Population,
    configs: Mapping[str, Config],
    members: dict[str, Values],
    places: Sequence[Sequence[Any]] | None,
) -> tuple[Results, Failures]:
    """Trains each member that has not ended; the results of all that have, and what the others failed by."""
    datasets = {data: load_dataset(data) for data in {config.data for config in configs.values()}}
    if not population.begun or population.members() != members:
        population.begin(next(iter(configs.values())), members)
    places = places or places_for(len(members))
    free: queue.SimpleQueue[Sequence[Any]] = queue.SimpleQueue()
    for place in places:
        free.put(place)

    def train(name: str) -> dict[str, Any]:
        if stop.signum:
            raise Interrupted(stop.signum)
        place = free.get()
        try:
            with off_screen(), jax.default_device(place[0]):
                config = configs[name]
                return run_member(config, population.run(name), datasets[config.data], stop, place)
        finally:
            free.put(place)

    results, failed = {}, {}
    with StopSignal() as stop, ThreadPoolExecutor(len(places)) as pool:
        futures = {pool.submit(train, name): name for name in configs}
        try:
            for future in as_completed(futures):
                name = futures[future]
                try:
                    results[name] = future.result()
                except Interrupted:
                    continue
                except UserError as error:
                    failed[name] = error
                    log.warning(f"{name}: {error}")
                else:
                    log.info(f"{_line(results[name], name)}  ({len(results) + len(failed)} of {len(configs)})")
        finally:
            pool.shutdown(cancel_futures=True)
    return {name: results[name] for name in configs if name in results}, failed


def _line(results: dict[str, Any], name: str) -> str:
    """One line about a member that has ended; the test split is for the table at the end."""
    return (
        f"{name}  best epoch {results['best_epoch']} of {results['epochs']}  "
        f"validation accuracy {results['validation']['accuracy']:.2%}  {results['seconds']['total']:.1f} s"
    )


def _results(
    population: Population,
    config: Config,
    members: dict[str, Values],
    found: Results,
    failed: Failures,
    seconds: float,
) -> dict[str, Any]:
    points = [
        {
            "name": name_of({field: value for field, value in members[names[0]].items() if field != "seed"}),
            "members": names,
            **{split: spreads([found[name][split] for name in names]) for split in SPLITS},
        }
        for names in seeds_together(members)
        if not failed.keys() & set(names)
    ]
    chosen = max(points, key=lambda point: _rank(point, config.training.monitor), default=None)
    return {
        "members": [
            {
                "name": name,
                "fields": members[name],
                **{figure: results[figure] for figure in ("best_epoch", "epochs", *SPLITS)},
                "seconds": results["seconds"]["total"],
            }
            for name, results in found.items()
        ],
        "points": points,
        "ensemble": chosen and _ensemble(population, chosen),
        "failed": {name: str(error) for name, error in failed.items()},
        "seconds": round(seconds, 3),
        "versions": versions(),
        "device": device(),
    }


def _rank(point: dict[str, Any], monitor: str) -> float:
    mean = point["validation"][monitor]["mean"]
    return (-mean if monitor == "loss" else mean) if math.isfinite(mean) else -math.inf


def _ensemble(population: Population, point: dict[str, Any]) -> dict[str, Any]:
    """What the mean logit of a point's members reaches, by the logits that they kept: no split is read again."""
    scores = {}
    for split in SPLITS:
        kept = [population.run(name).predictions(split) for name in point["members"]]
        scores[split] = score(mean_logits([each.logits for each in kept]), kept[0].labels)
    return {"name": point["name"], "members": point["members"], **scores}


def results_table(results: dict[str, Any]) -> str:
    """A row for each member, each point of the grid and the ensemble, as text."""
    table = Table(title=f"{len(results['members'])} members")
    table.add_column("", overflow="fold")
    for column in ("best epoch", "validation, %", "test, %", "test loss", "s"):
        table.add_column(column, justify="right", no_wrap=True)
    by_name = {member["name"]: member for member in results["members"]}
    for member in by_name.values():
        cells = [_mean([member], *where) for where in COLUMNS]
        table.add_row(member["name"], f"{member['best_epoch']}/{member['epochs']}", *cells, f"{member['seconds']:.1f}")
    for point in results["points"]:
        table.add_section()
        cells = [_mean([by_name[name] for name in point["members"]], *where) for where in COLUMNS]
        table.add_row(point["name"] or "mean ± std", "", *cells)
        if len(point["members"]) > 1:
            table.add_row("95 % interval of the mean", "", *(_interval(point, *where) for where in COLUMNS))
    if (ensemble := results["ensemble"]) is not None:
        table.add_section()
        table.add_row(f"ensemble of {len(ensemble['members'])}", "", *(_mean([ensemble], *where) for where in COLUMNS))
    table.caption = f"{results['seconds']:.1f} s in all"
    if len(results["points"]) > 1 and ensemble is not None:
        table.caption += f"; validation chooses {ensemble['name']}, the ensemble is of its members"
    return render(table)


def _mean(members: Sequence[dict[str, Any]], split: str, figure: str, scale: int, digits: int) -> str:
    return mean_and_std([scale * member[split][figure] for member in members], f"{{:.{digits}f}}")


def _interval(point: dict[str, Any], split: str, figure: str, scale: int, digits: int) -> str:
    spread = point[split][figure]
    return f"{scale * spread['low']:.{digits}f} – {scale * spread['high']:.{digits}f}"
