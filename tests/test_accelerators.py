"""The check of programs for accelerators: what it lets pass, what it calls a fault, and the programs of two configs."""

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from imdb_jax.config import Config, load_file
from imdb_jax.training.step import TrainState
from scripts.environment import ROOT
from scripts.measure import accelerators
from scripts.measure.described import TARGETS
from scripts.measure.programs import Compiled, compile_, faults, learner_of, lower


def small(name: str) -> Config:
    config = load_file(ROOT / f"configs/{name}.py")
    data = dataclasses.replace(config.data, vocabulary_size=60, max_length=48)
    training = dataclasses.replace(config.training, batch_size=8, eval_batch_size=8)
    return dataclasses.replace(config, data=data, training=training)


@pytest.fixture(scope="module")
def lstm() -> tuple[Config, TrainState, list[Compiled]]:
    """The programs of an LSTM over two devices of this machine."""
    config = small("lstm")
    learner, state = learner_of(config)
    return config, state, [compile_(*named) for named in lower(learner, state, config, jax.devices()[:2])]


def test_programs_of_training_evaluation_and_prediction_pass(lstm) -> None:
    config, state, programs = lstm
    assert [(program.name, program.rows) for program in programs] == [("train", 8), ("evaluate", 8), ("predict", 2)]
    assert [fault for program in programs for fault in faults(program, config, state, 2)] == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"float64": True}, "float64"),
        ({"collectives": []}, "collectives"),
        ({"collectives": [("all-reduce", 4, 0), ("all-reduce", 7_372, 0)]}, "collectives"),
        ({"collectives": [("all-reduce", 7_376, 1)]}, "collectives"),
        ({"collectives": [("all-reduce", 7_380, 0)]}, "collectives"),
        ({"products": [1, 1, 1]}, "matrix products in loops"),
        ({"products": [1, 2]}, "matrix products in loops"),
        ({"products": [0, 0]}, "matrix products in loops"),
        ({"megabytes": 1_000.0}, "1000 MB on a device"),
    ],
)
def test_each_fault_is_told(wrong: dict, told: str, lstm) -> None:
    config, state, (train, *_) = lstm
    assert train.collectives == [("all-reduce", 7_376, 0)]
    (fault,) = faults(train._replace(**wrong), config, state, 2)
    assert fault.startswith(f"train: {told}")


def test_one_row_on_a_device_needs_no_matrix(lstm) -> None:
    config, state, (*_, predict) = lstm
    assert faults(predict._replace(products=[0]), config, state, 2) == []


def test_a_missing_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setitem(accelerators.COMPILERS, "tpu", "absent.compiler")
    assert accelerators.main(["--target", "tpu:v5e:1x1"]) == 69
    assert capsys.readouterr().err == "error: absent.compiler is needed for tpu: pip install -e '.[aot]'\n"


def test_the_script_names_every_target() -> None:
    usage = Path(ROOT / "scripts/check_accelerators").read_text()
    assert set(TARGETS) == {word.strip(";.") for word in usage.split() if word.startswith(("tpu:", "cuda:"))}


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs libtpu: pip install -e '.[aot]'")
def test_programs_for_a_tpu() -> None:
    command = [sys.executable, "-m", "scripts.measure.accelerators", "--target", "tpu:v5e:2x2", "--config"]
    done = subprocess.run(
        [*command, "configs/lstm.py", "configs/max_pool.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split("|")[5].strip() for line in done.stdout.splitlines()[2:]] == ["643,536", "640,592"]
