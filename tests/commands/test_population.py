"""Populations as a user trains, reads and compares them."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.errors import UserError
from imdb_jax.inference.reader import JaxReader, NumpyReader
from imdb_jax.runs.mixture import Mix
from imdb_jax.runs.population import Population
from imdb_jax.runs.run import Run
from imdb_jax.runs.statistics import log_odds_weights, mean_logits
from tests.commands.command_line import ROOT, fails, run

CONFIG = """
from imdb_jax.config import *

config = Config(
    data=DataConfig(source="synthetic", limit=100, vocabulary_size=200, max_length=24),
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder=ENCODER),
    optimizer=OptimizerConfig(learning_rate=3e-2),
    training=TrainingConfig(batch_size=32, epochs=2),
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A population of three seeds, a run by itself, and one on other reviews."""
    folder = tmp_path_factory.mktemp("populations")
    (folder / "config.py").write_text(CONFIG.replace("ENCODER", "PoolConfig()"))
    (folder / "conv1d.py").write_text(CONFIG.replace("ENCODER", "Conv1DConfig(features=8)"))
    for name, options in (
        ("seeds", ["--config.seeds=0,1"]),
        ("seeds", ["--config.seeds", "0..2"]),  # one more joins
        ("run", ["--config.data.vocabulary_size=100", "--config.model.dropout=0.1"]),
        ("other", ["--config.data.limit=50"]),
        ("held", ["--config.data.validation.size=0.3"]),  # of the same test reviews
    ):
        file = "conv1d.py" if name == "run" else "config.py"
        process = run("imdb_jax.train", "--config", folder / file, "--workdir", folder / name, *options)
        assert process.returncode == 0, process.stderr.decode()
    return folder


def output(*arguments: str | Path, cwd: Path | None = None) -> str:
    process = run(*arguments, cwd=cwd)
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout.decode()


def test_train_goes_on_and_tells_little(folder: Path) -> None:
    process = run("imdb_jax.train", "--workdir", folder / "seeds")
    told = process.stderr.decode()
    assert process.returncode == 0, told
    assert "is finished; give it more seeds" in told
    assert re.search(r"│ mean ± std +│ +│ +\d+\.\d\d% ± ", told)
    assert "ensemble of 3" in told
    assert "Parameters" not in told
    assert "epoch  1/2" in (folder / "seeds" / "members" / "seed=2" / "train.log").read_text()


def test_predict_and_evaluate_answer_by_the_ensemble(folder: Path) -> None:
    results = Population(folder / "seeds").results()
    assert results is not None
    reviews = ("A wonderful, brilliant film.", "Dull, awful.")
    lines = output("imdb_jax.predict", "--workdir", folder / "seeds", "--output", "jsonl", *reviews).splitlines()
    assert [set(json.loads(line)) for line in lines] == [{"label", "probability", "flags"}] * 2
    for split in ("validation", "test"):
        found = json.loads(output("imdb_jax.evaluate", "--workdir", folder / "seeds", "--split", split))
        assert found["accuracy"] == getattr(results.ensemble, split).accuracy
        assert found["members"]["accuracy"] == pytest.approx(
            dataclasses.asdict(getattr(results.points[0], split).accuracy)
        )
    readings = [run.test_readings() for run in Population(folder / "seeds").runs()]
    looks = [reading["command"] for reading in readings[0]]
    assert looks[:4] == ["train", "train", "train", "evaluate"]  # alone, in an ensemble of two, and in one of three
    assert [len(reading["ensemble"]) for reading in readings[0][1:3]] == [2, 3]


def test_an_exported_population_answers_as_it_does(folder: Path, tmp_path: Path) -> None:
    reviews = ["A wonderful, brilliant film.", "Dull, awful.", ""]
    output("imdb_jax.export", "--workdir", folder / "seeds", "--out", tmp_path / "model.zip")
    lines = output("imdb_jax.predict", "--workdir", folder / "seeds", "--output", "jsonl", *reviews).splitlines()
    probabilities = [json.loads(line)["probability"] for line in lines]
    for reader in (JaxReader, NumpyReader):
        assert reader(tmp_path / "model.zip").probabilities(reviews) == pytest.approx(probabilities, abs=1e-6)


def test_report_compares_the_members(folder: Path) -> None:
    assert output("imdb_jax.report", folder / "seeds").startswith(f"{folder / 'seeds' / 'report.html'}  (")
    page = (folder / "seeds" / "report.html").read_text()
    assert "seeds, ensemble" in page
    assert "95 % interval of the mean" in page
    assert "seeds/seed=2" in page
    assert all(run.test_readings()[-1] == {"command": "report"} for run in Population(folder / "seeds").runs())
    both = output("imdb_jax.report", "seeds", "run", "--out", "both.html", cwd=folder)
    assert both.startswith("both.html")
    assert re.search(r'<td class="name">seeds</td><td>0, 1, 2</td>', (folder / "both.html").read_text())
    said = fails(2, "imdb_jax.report", folder / "seeds", "--split", "test")
    assert "a comparison reads none" in said


def test_a_member_that_is_gone_is_told(folder: Path, tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    shutil.copytree(folder / "seeds", seeds)
    shutil.rmtree(seeds / "members" / "seed=0")
    said = fails(66, "imdb_jax.predict", "--workdir", seeds, "fine")
    assert "seed=0: a member that has not begun, or is gone; train --workdir of its population goes on" in said
    output("imdb_jax.report", seeds, "--out", tmp_path / "page.html")
    assert "seeds/seed=0 has not begun, or is gone." in (tmp_path / "page.html").read_text()


def test_compare_pairs_reviews_whatever_their_words_are(folder: Path) -> None:
    told = output("imdb_jax.compare", "seeds", "run", "--split", "test", cwd=folder)
    assert "200 test reviews" in told
    several, single = ([float(cell) for cell in re.findall(rf"{name} .*", told)[0].split("│")[1:4]] for name in NAMES)
    assert (several[0], single[0]) == (3, 1)
    pattern = r"first: (\S+) points, 95 % interval (\S+) to (\S+) .*first (\d+), second (\d+) reviews; p = (\S+)"
    ((difference, low, high, first, second, p),) = re.findall(pattern, told, re.DOTALL)
    assert float(difference) == pytest.approx(single[1] - several[1], abs=0.011)
    assert float(low) < float(difference) < float(high)
    assert 100 * (int(second) - int(first)) / 200 == pytest.approx(single[2] - several[2], abs=0.011)
    assert 0 < float(p) <= 1
    for each in [*Population(folder / "seeds").runs(), Run(folder / "run")]:
        assert "compare" in [reading["command"] for reading in each.test_readings()]
    before = (folder / "run" / "test_readings.jsonl").read_bytes()
    table = output("imdb_jax.compare", "run", "seeds", cwd=folder)
    assert "40 validation reviews" in table
    assert "(Student's t over reviews and members)" in table
    assert (folder / "run" / "test_readings.jsonl").read_bytes() == before


def test_runs_of_the_same_test_reviews_are_compared_on_them(folder: Path) -> None:
    assert "200 test reviews" in output("imdb_jax.compare", "run", "held", "--split", "test", cwd=folder)


def test_mistakes_are_one_line_and_change_nothing(folder: Path, tmp_path: Path) -> None:
    train = ["imdb_jax.train", "--config", folder / "config.py", "--workdir"]
    new = [*train, tmp_path / "new"]
    assert "--config.seeds: '3..1'; a seed, or a range" in fails(2, *new, "--config.seeds=3..1")
    assert "model.dropout: 1.5; input should be less than 1" in fails(2, *new, "--grid.model.dropout=0.1,1.5")
    assert "did you mean model.dropout?" in fails(2, *new, "--grid.model.dropuot=0.1")
    assert "--grid.model.dropout: needs a value" in fails(2, *new, "--grid.model.dropout")
    missing = ["--config.data.source=files", "--config.data.path=nowhere.csv"]
    assert "nowhere.csv" in fails(66, *new, "--config.seeds=0,1", *missing)
    assert list(tmp_path.iterdir()) == []
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert "holds a single run; choose another" in fails(2, *train, folder / "run", "--config.seeds=0,1")
    assert "holds a population of runs; choose another" in fails(2, *train, folder / "seeds")
    other = ["--config.seeds=0..3", "--config.training.epochs=3"]
    assert "begun with another config (training.epochs: 2 -> 3)" in fails(2, *train, folder / "seeds", *other)
    assert "differ in seed, not in seed, model.dropout" in fails(
        2, *train, folder / "seeds", "--grid.model.dropout=0.1"
    )
    assert "not of the same reviews" in fails(65, "imdb_jax.compare", folder / "run", folder / "other")
    assert "not of the same reviews" in fails(65, "imdb_jax.compare", folder / "run", folder / "held")
    test = ("--split", "test")
    assert "not of the same reviews" in fails(65, "imdb_jax.compare", folder / "run", folder / "other", *test)
    assert "given twice" in fails(2, "imdb_jax.compare", folder / "run", folder / "run")
    assert "no such file; --workdir must be" in fails(66, "imdb_jax.compare", folder / "run", folder)
    (tmp_path / "population.json").write_text("{}")
    assert "population.json: has changed" in fails(65, "imdb_jax.train", "--workdir", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def kept(folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """What the ensemble and the run by itself said of validation reviews, and their labels."""
    seeds = [run.predictions("validation") for run in Population(folder / "seeds").runs()]
    alone = Run(folder / "run").predictions("validation")
    return [mean_logits([each.logits for each in seeds]), alone.logits], alone.labels


def test_each_command_reads_a_mixture(folder: Path, tmp_path: Path) -> None:
    mixed = ("--workdir", "seeds", "--mix", "run", "--weights=3,1")
    logits, labels = kept(folder)
    weights = [share * log_odds_weights([each], labels)[0] for share, each in zip((3 / 4, 1 / 4), logits, strict=True)]
    together = weights[0] * logits[0] + weights[1] * logits[1]

    found = json.loads(output("imdb_jax.evaluate", *mixed, cwd=folder))
    members = {f"seeds/members/seed={seed}": weights[0] / 3 for seed in range(3)}
    assert found["weights"] == pytest.approx({**members, "run": weights[1]})
    assert found["members"]["run"]["accuracy"] == ((logits[1] > 0) == labels).mean()
    assert found["accuracy"] == ((together > 0) == labels).mean()
    assert found["loss"] == pytest.approx(np.logaddexp(0, np.where(labels, -together, together)).mean())

    reviews = ["A wonderful, brilliant film.", "Dull, awful.", "", "영화 한 편", "word " * 90]

    def probabilities(*options: str) -> np.ndarray:
        lines = output("imdb_jax.predict", *options, "--output", "jsonl", *reviews, cwd=folder).splitlines()
        return np.array([json.loads(line)["probability"] for line in lines])

    alone = [np.log(p / (1 - p)) for p in (probabilities("--workdir", name) for name in ("seeds", "run"))]
    predicted = probabilities(*mixed)
    np.testing.assert_allclose(predicted, 1 / (1 + np.exp(-mean_logits(alone, weights))), atol=1e-6)

    output("imdb_jax.export", *mixed, "--out", tmp_path / "model.zip", cwd=folder)
    for kind in (JaxReader, NumpyReader):
        np.testing.assert_allclose(kind(tmp_path / "model.zip").probabilities(reviews), predicted, atol=1e-6)
    damaged = (tmp_path / "model.zip").read_bytes().replace(b"[UNK]", b"[unk]", 1)
    (tmp_path / "model.zip").write_bytes(damaged)
    with pytest.raises(UserError, match=r"0\.zip: has changed since it was written|not a model of imdb_jax"):
        NumpyReader(tmp_path / "model.zip")

    compared = output("imdb_jax.compare", "seeds", "seeds", "--mix", "run", "--weights=3,1", cwd=folder)
    assert re.search(rf"│ seeds \+ run +│ +4 │ +{100 * found['accuracy']:.2f} │", compared)
    page = tmp_path / "page.html"
    output("imdb_jax.report", "seeds", "--mix", "run", "--weights=3,1", "--out", page, cwd=folder)
    row = page.read_text().partition(f"logit = {weights[0]:.3g} seeds + {weights[1]:.3g} run</td>")[2]
    assert f"{100 * found['accuracy']:.2f}</td>" in row.partition("</tr>")[0]


def test_validation_chooses_weights(folder: Path) -> None:
    chosen = Mix(mix=(str(folder / "run"),)).with_first(str(folder / "seeds"))
    first, second = log_odds_weights(*kept(folder))
    assert chosen.weights == pytest.approx([first / 3, first / 3, first / 3, second])
    assert Mix().with_first(str(folder / "seeds")).weights is None


def test_mistakes_of_mixtures_are_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = ("imdb_jax.evaluate", "--workdir", "run", "--mix")
    for weights in ("1", "1,2,3", "1,x", "0,0", "-1,2", "nan,1"):
        told = fails(2, *mixed, "seeds", f"--weights={weights}", cwd=folder)
        assert f"--weights: {weights!r}; must be 2 numbers" in told
    assert "--weights: '1'; only for several runs" in fails(2, *mixed[:3], "--weights=1", cwd=folder)
    assert "nowhere/manifest.json: no such file; --workdir" in fails(66, *mixed, "nowhere", cwd=folder)
    assert "--mix: ''; needs a path" in fails(2, *mixed, "", cwd=folder)
    assert "--mix: seeds/../run is in the mixture twice" in fails(2, *mixed, "seeds/../run", cwd=folder)
    assert "run, held: not of the same reviews; hold out the same, or give --weights" in fails(
        65, *mixed, "held", cwd=folder
    )
    told = fails(65, *mixed, "held", "--weights=1,1", cwd=folder)
    assert "run, held: not of the same reviews; mix runs that share them" in told
    output(*mixed, "held", "--weights=1,1", "--split", "test", cwd=folder)
    monkeypatch.setattr("imdb_jax.runs.mixture.log_odds_weights", lambda logits, labels: [0.0] * len(logits))
    told = fails(65, *mixed, "seeds", cwd=folder)
    assert told.endswith("run, seeds: none is better than chance on validation")


NAMES = "seeds", "run"
ENDLESS = ["--config.seeds=0,1", "--config.training.epochs=1000000"]


def start(config: Path, folder: Path) -> subprocess.Popen:
    """A population that trains without end; returns once a member has ended an epoch."""
    command = [sys.executable, "-m", "imdb_jax.train", "--config", config, "--workdir", folder, *ENDLESS]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    metrics = folder / "members" / "seed=0" / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text()):
        time.sleep(0.05)
    return process


def test_a_signal_stops_all_members(folder: Path, tmp_path: Path) -> None:
    process = start(folder / "config.py", tmp_path / "new")
    process.send_signal(signal.SIGTERM)
    told = process.communicate()[1]
    assert process.returncode == 143, told
    assert "SIGTERM: stopped; run the same command again to go on" in told.splitlines()[-1]
    assert "Traceback" not in told
    run = Population(tmp_path / "new").run("seed=0")
    with run.taken():  # nobody trains there any more
        assert any(run.checkpoints.iterdir())


def test_members_end_when_the_process_that_watches_them_is_killed(folder: Path, tmp_path: Path) -> None:
    process = start(folder / "config.py", tmp_path / "new")
    process.kill()
    process.communicate()
    run = Population(tmp_path / "new").run("seed=0")
    while True:
        try:
            with run.taken():
                break
        except UserError:  # it is still there
            time.sleep(0.05)
    assert "SIGTERM: saving a checkpoint" in (run.folder / "train.log").read_text()
