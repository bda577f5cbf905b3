"""Several processes of one run, over 127.0.0.1."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config.checked import dump
from imdb_jax.inference.predictor import restore_best
from imdb_jax.runs.run import Run
from imdb_jax.training.fingerprint import fingerprints
from tests.commands.command_line import ROOT, fails, run, run_alone

CONFIG = """
from imdb_jax.config import *

config = Config(
    data=DataConfig(source="synthetic", limit=120, vocabulary_size=200, max_length=40, buckets=()),
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder=PoolConfig(), embedding_dropout=0.1),
    optimizer=OptimizerConfig(learning_rate=1e-2, ema_decay=0.9),
    training=TrainingConfig(batch_size=15, epochs=4),
)
"""
TIMES = {"seconds", "reviews_per_second", "tokens_per_second", "metrics"}  # metrics: the checksum of a file of them
PATIENCE = 1_200  # seconds after which a process is taken for hung, on a machine however busy


class Processes:
    """Two processes of `train` that share a run directory."""

    def __init__(self, config: Path, workdir: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        shared = [f"--config={config}", f"--workdir={workdir}", "--distributed", f"--coordinator=127.0.0.1:{port}"]
        self.all = [
            subprocess.Popen(
                [sys.executable, "-m", "imdb_jax.train", *shared, "--processes=2", f"--process_id={k}", *arguments],
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
            )
            for k in range(2)
        ]

    def end(self) -> list[tuple[int, str]]:
        """Exit codes, and what was written to standard error."""
        told = []
        for process in self.all:
            try:
                told.append(process.communicate(timeout=PATIENCE)[1].decode())
            finally:
                process.kill()
        return [(process.returncode, text) for process, text in zip(self.all, told, strict=True)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "config.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    (code, told), (other_code, other_told) = Processes(config, folder).end()
    assert (code, other_code) == (0, 0), told + other_told
    assert "epoch  4/4" in told
    assert "epoch" not in other_told  # process 0 alone tells
    return folder


def outcome(folder: Path) -> tuple[list[dict], dict, dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    results = Run(folder).results()
    assert results is not None
    metrics, results = [
        [{name: x for name, x in record.items() if name not in TIMES} for record in records]
        for records in (lines, [dump(results)])
    ]
    return metrics, results[0], fingerprints(restore_best(Run(folder))[1])


def wait_for_epochs(folder: Path, epochs: int, *processes: subprocess.Popen) -> None:
    """Returns once a run has ended some epochs, or one of its processes has ended."""
    metrics = folder / "metrics.jsonl"
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= epochs):
        if any(process.poll() is not None for process in processes):
            return
        time.sleep(0.05)


def test_two_processes_equal_one(config: Path, whole: Path, tmp_path: Path) -> None:
    assert run("imdb_jax.train", "--config", config, "--workdir", tmp_path / "one").returncode == 0
    one, two = Run(tmp_path / "one"), Run(whole)
    for split in ("validation", "test"):
        np.testing.assert_allclose(two.predictions(split).logits, one.predictions(split).logits, atol=1e-4)
        np.testing.assert_array_equal(two.predictions(split).labels, one.predictions(split).labels)
    results = two.results()
    assert results is not None
    assert results.device["processes"] == 2
    assert len(two.test_readings()) == 1


def test_killed_processes_go_on_exactly(config: Path, whole: Path, tmp_path: Path) -> None:
    """One is killed: the other ends and says why; started again, they end as if nothing had happened."""
    first = Processes(config, tmp_path / "run")
    wait_for_epochs(tmp_path / "run", 2, *first.all)
    first.all[1].kill()
    (code, told), _ = first.end()
    said = {
        0: "",  # it had trained to its end
        74: "error: another process of this run has ended",
        -signal.SIGABRT: "likely indicates that another task died",  # JAX missed a heartbeat first
    }
    assert said[code] in told
    assert "Traceback" not in told
    assert [code for code, _ in Processes(config, tmp_path / "run").end()] == [0, 0]
    assert outcome(tmp_path / "run") == outcome(whole)


def test_a_signal_to_one_stops_all_and_another_number_of_processes_goes_on(
    config: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    endless = "--config.training.epochs=1000000"
    first = Processes(config, folder, endless)
    wait_for_epochs(folder, 2, *first.all)
    first.all[1].send_signal(signal.SIGTERM)
    (code, told), (other_code, other_told) = first.end()
    assert (code, other_code) == (143, 143), told + other_told
    newest = max(int(path.name) for path in (folder / "checkpoints").iterdir() if path.name.isdecimal())
    assert newest >= json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    patience = "--config.training.patience=1"
    line = fails(2, "imdb_jax.train", "--config", config, "--workdir", folder, endless, patience)
    assert "training.patience: None -> 1" in line
    epochs = len((folder / "metrics.jsonl").read_text().splitlines())
    alone = subprocess.Popen(
        [sys.executable, "-m", "imdb_jax.train", "--workdir", folder], stderr=subprocess.PIPE, cwd=ROOT
    )
    wait_for_epochs(folder, epochs + 1, alone)
    alone.send_signal(signal.SIGTERM)
    told = alone.communicate(timeout=PATIENCE)[1].decode()
    assert f"going on from step {newest}" in told
    assert "processes 2 -> 1" in told  # figures may round differently


def test_what_one_process_cannot_do_ends_all_with_its_line(config: Path, whole: Path) -> None:
    ended = Processes(config, whole, "--config.seed=1").end()
    assert [code for code, _ in ended] == [2, 2]
    (_, told), (_, other_told) = ended
    line = "begun with another config (seed: 0 -> 1)"
    assert told.splitlines()[-1].startswith("error: ")
    assert line in told.splitlines()[-1]
    assert f"error: process 0: {whole}: {line}" in other_told


@pytest.mark.parametrize(
    ("arguments", "by", "said"),
    [
        (["--coordinator=127.0.0.1:1"], run, "--coordinator: '127.0.0.1:1'; goes with --distributed alone"),
        (["--process_id=1"], run, "--process_id: 1; goes with --distributed alone"),
        (["--distributed", "--config.seeds=0,1"], run, "--distributed: a population trains in one process"),
        (["--distributed"], run_alone, "--distributed: coordinator_address should be defined"),
        (
            ["--distributed", "--coordinator=127.0.0.1:1", "--processes=2", "--process_id=2"],
            run_alone,
            "--distributed: process_id and num_processes must be nonnegative, with process_id < num_processes",
        ),
    ],
)
def test_wrong_options_are_one_line(
    arguments: list[str], by: Callable, said: str, config: Path, tmp_path: Path
) -> None:
    line = fails(2, "imdb_jax.train", "--config", config, "--workdir", tmp_path / "run", *arguments, by=by)
    assert line.startswith(f"error: {said}")
    assert not (tmp_path / "run").exists()
