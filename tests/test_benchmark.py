"""The benchmark: its figures, its pipe, and that peers compute what imdb_jax computes."""

import dataclasses
import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import load_file
from imdb_jax.data.vocabulary import Vocabulary
from scripts.peers import compare, report, served, serving
from scripts.peers.protocol import Child, ChildError
from scripts.peers.task import Task, lengths, padded
from scripts.peers.workloads import WORKLOADS, cut, initial_weights
from tests.conftest import VOCABULARY_SIZE, random_split

UNLUCKY = 13  # a batch size
FAKE = """
import sys
import numpy as np
from scripts.peers.protocol import serve

class Fake:
    def __init__(self, task, variant):
        self.task, self.variant, self.weight = task, variant, 0
    def step(self):
        print("libraries print what they like")
    def reset(self):
        self.weight = 1
    def train(self):
        if self.task.batch_size == 13 and self.variant == "documented" and self.weight == 2:  # in the second round
            sys.exit("unlucky")
        self.weight += 1
    def infer(self):
        return np.full(len(self.task.test.labels), self.weight, np.float32)

serve(Fake)
"""


def make_task(workload: str, batch_size: int = 4) -> Task:
    """Random reviews of up to 24 words, and the weights that imdb_jax draws for them."""
    config = load_file(WORKLOADS[workload].config)
    tokens = (b"", b"[UNK]", *(b"word%d" % i for i in range(2, VOCABULARY_SIZE)))
    vectors = np.random.default_rng(0).normal(size=(VOCABULARY_SIZE, 100)).astype(np.float32)
    weights = initial_weights(config, Vocabulary(tokens, config.data.text), vectors)
    split = random_split([24, 3, 24, 9, 15, 24, 5, 24])
    return Task(workload, WORKLOADS[workload].config, batch_size, 4, 24, split, split, tokens, weights)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entrant runs the fake competitor."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(
        compare.Entrant,
        "start",
        lambda entrant, task, folder: Child(
            [sys.executable, str(tmp_path / "fake.py"), str(task), entrant.variant],
            {"PYTHONPATH": str(Path(compare.__file__).parents[2])},
            folder / f"{entrant.name}.txt",
        ),
    )


def test_competitors_take_turns_and_are_recorded(fake: None, capfd: pytest.CaptureFixture[str]) -> None:
    task = make_task("W1")
    records = compare.compete(task, compare.ENTRANTS["W1"][:3], rounds=2)
    assert [record["name"] for record in records] == ["imdb_jax", "keras-tensorflow", "keras-jax"]
    for record in records:
        assert len(record["train_seconds"]) == len(record["infer_seconds"]) == 2
        assert record["accuracy"] == pytest.approx(task.test.labels.mean())  # the fake says "positive" of everything
        assert record["logits_differ"] == {"full": 0, "padded": 0}
        assert record["first_step_seconds"]["cached"] >= record["import_seconds"] > 0
        assert record["memory_mb"] > 1
    rounds = [line.split()[3:5] for line in capfd.readouterr().err.splitlines() if " round " in line]
    assert rounds == [[f"{n}/2", f"{record['name']}:"] for n in (1, 2) for record in records]


def test_a_peer_that_dies_is_named_and_the_others_go_on(fake: None) -> None:
    ours, peer = compare.compete(make_task("W1", UNLUCKY), compare.ENTRANTS["W1"][:2], rounds=3)
    assert len(ours["train_seconds"]) == 3
    assert peer["error"] == "ended with code 1: unlucky"


def test_without_ours_there_is_no_comparison(fake: None) -> None:
    with pytest.raises(ChildError, match="unlucky"):
        compare.compete(make_task("W1", UNLUCKY), [compare.OURS._replace(variant="documented")], rounds=3)


def test_a_child_that_fails_says_why(fake: None, tmp_path: Path) -> None:
    make_task("W1").save(tmp_path / "task")
    with compare.OURS.start(tmp_path / "task", tmp_path) as child, pytest.raises(ChildError, match="KeyError: 'dance'"):
        child.ask("dance")


def make_results() -> dict:
    def record(name: str, variant: str, seconds: list[float]) -> dict:
        return {
            "name": name,
            "variant": variant,
            "import_seconds": 1.0,
            "first_step_seconds": {"cold": 3.0, "cached": 2.0},
            "logits_differ": {"full": 1e-7, "padded": None},
            "train_seconds": seconds,
            "infer_seconds": seconds,
            "memory_mb": 512.0,
            "accuracy": 0.875,
        }

    competitors = [
        record("imdb_jax", "ours", [1.0, 2.0, 4.0]),
        record("flax", "documented", [10.0, 20.0, 40.0]),
        {"name": "pytorch", "variant": "documented", "error": "ended with code 1: unlucky"},
        record("pytorch-unmasked", "unmasked", [5.0, 5.0, 5.0]),
    ]
    workload = {
        "config": "configs/glove_bilstm.py",
        "batch_size": 32,
        "rounds": 3,
        "train_reviews": 1000,
        "test_reviews": 500,
        "train_words": 200_000,
        "padding": 0.05,
        "gflop_per_epoch": 200.0,
        "competitors": competitors,
    }
    machine = {"cpu": "A CPU", "cores": 2, "load": 0.0, "peak_gflops": 400.0, "versions": {"jax": "0.10.2"}}
    return {"machine": machine, "workloads": {"W1": workload}}


def test_report() -> None:
    text = report.markdown(json.loads(json.dumps(make_results())))
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in text.splitlines() if line.startswith("|")}
    training, ratio, inference = (cell.strip() for cell in rows["flax"][:3])
    assert (training, ratio, inference) == ("50 (25-100)", "10.00", "25 (12-50)")
    assert rows["pytorch-unmasked"][1].strip() == "2.50"
    names = [*rows]
    assert names.index("flax") < names.index(f"**{report.VARIANTS['unmasked']}**") < names.index("pytorch-unmasked")
    assert "pytorch: ended with code 1: unlucky" in text
    assert "100,000 words/s and does 100 useful GFLOP/s, 25% of 400" in text
    assert "10.0 and 10.0 (as its documentation writes it); 2.5 and 2.5 (not the same function" in text
    assert "5.0% of the token slots" in text


def test_a_review_alone_is_timed_alone() -> None:
    class Slow:
        many = None

        def single(self, review: bytes) -> float:
            time.sleep(len(review) / 100)
            return 0.5

    first, second = served.latencies(Slow(), [b"", b"x"])
    assert second > 0.01 > first > 0


def test_report_of_servers() -> None:
    servers = [
        {"name": name, "many_seconds": [2.0, 1.0, 4.0], "single_seconds": [[0.001] * 99 + [seconds]] * 3,
         "probabilities_differ": 2e-8}
        for name, seconds in (("ours", 0.001), ("theirs", 1.001))
    ]  # fmt: skip
    servers[1]["many_seconds"] = [20.0, 10.0, 40.0]
    servers.append({"name": "unlucky", "error": "ended with code 1: unlucky"})
    workload = {"config": "configs/conv1d.py", "reviews": 100, "single": 100, "rounds": 3, "servers": servers}
    text = serving.markdown({"machine": make_results()["machine"], "workloads": {"W2": workload}})
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[2:] == [
        ["ours", "50 (25-100)", "1.00", "1.00", "1.00", "2e-08"],
        ["theirs", "5 (2-10)", "10.00", "1.00", "11.00", "2e-08"],
    ]
    assert "unlucky: ended with code 1: unlucky" in text


def test_chart(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install -e '.[bench]'")
    report.chart(make_results(), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 10_000


@pytest.mark.parametrize(("keep", "expected"), [("head", [[1, 2], [6, 0]]), ("tail", [[2, 3], [6, 0]])])
def test_reviews_are_cut_as_in_training(keep: str, expected: list[list[int]]) -> None:
    config = load_file("configs/glove_bilstm.py")
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, max_length=2, keep=keep))
    split = random_split([3, 2, 1])._replace(ids=np.array([1, 2, 3, 4, 5, 6], np.uint16))
    some = cut(split, config, reviews=2)
    assert padded(some, 2).tolist() == expected
    assert lengths(some).tolist() == [2, 1]
    np.testing.assert_array_equal(some.labels, split.labels[[0, 2]])


def test_useful_work_of_one_word() -> None:
    """Counted by hand: (100 + 32) x 128 forward, twice that and 32 x 128 back, two directions, 2 FLOPs each."""
    assert WORKLOADS["W1"].flops(np.array([1])) == 2 * 2 * (2 * 132 * 128 + 32 * 128)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workload", "entrant"),
    [(workload, entrant) for workload, entrants in compare.ENTRANTS.items() for entrant in entrants[1:]],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_same_weights_same_logits(workload: str, entrant: compare.Entrant, tmp_path: Path) -> None:
    """W2's peers pool over padding, as their documentation does: equal on reviews that fill the length."""
    for package in ("keras", "tensorflow", "torch"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install -e '.[bench]'")
    task = make_task(workload)
    task.save(tmp_path / "task")
    logits, ours = (initial_logits(one, tmp_path) for one in (entrant, compare.OURS))
    gaps = compare.difference(task, logits, ours)
    assert gaps["full"] < 1e-4
    if workload == "W1":
        assert (gaps["padded"] < 1e-4) == (entrant.variant != "unmasked")
    assert np.ptp(logits) > 1e-3  # competitors that say the same of every review would pass


def initial_logits(entrant: compare.Entrant, folder: Path) -> np.ndarray:
    """What a competitor says with the task's weights, which it has trained and then set again."""
    with entrant.start(folder / "task", folder) as child:
        child.ask("train")
        child.ask("reset")
        return np.array(child.ask("infer")["values"])
