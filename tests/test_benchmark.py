"""The benchmark: its figures, its pipe, and that peers compute what imdb_jax computes."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import load_file
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.training.build import build_learner, build_model
from scripts.environment import ROOT
from scripts.peers import contests, report
from scripts.peers.protocol import Server, Task, lengths, padded
from scripts.peers.turns import OURS, Child, ChildError, Entrant
from scripts.peers.workloads import WORKLOADS, by_name, cut
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


def make_task(workload: str, folder: Path, batch_size: int = 4) -> Task:
    """Random reviews of up to 24 words, and the weights that imdb_jax draws for them."""
    file, _ = WORKLOADS[workload]
    config = load_file(file)
    tokens = (b"", b"[UNK]", *(b"word%d" % i for i in range(2, VOCABULARY_SIZE)))
    vectors = np.random.default_rng(0).normal(size=(VOCABULARY_SIZE, 1 if workload == "W3" else 100)).astype(np.float32)
    vocabulary = Vocabulary(tokens, config.data.text)
    learner, state = build_learner(build_model(config, vocabulary, vectors), config, steps=1)
    weights = by_name(learner, state.params)
    split = random_split([24, 3, 24, 9, 15, 24, 5, 24])
    return Task(folder, workload, file, batch_size, 4, 24, split, split, vocabulary, weights)


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Entrant]:
    """Ours and two peers, all run by the fake competitor."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    return [
        Entrant(name, "fake", variant) for name, variant in ((OURS, "ours"), ("a", "documented"), ("b", "bucketed"))
    ]


def test_competitors_take_turns_and_are_recorded(
    fakes: list[Entrant], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    task = make_task("W1", tmp_path)
    records = contests.train_in_turn(task, fakes, rounds=2)
    assert [record["name"] for record in records] == [OURS, "a", "b"]
    for record in records:
        assert len(record["rounds"]) == 2
        for answers in record["rounds"]:
            assert [*answers] == ["train", "infer"]
            assert all(answer["seconds"] > 0 < answer["memory_mb"] for answer in answers.values())
        assert record["accuracy"] == pytest.approx(task.test.labels.mean())  # the fake says "positive" of everything
        assert record["logits_differ"] == {"full": 0, "padded": 0}
        assert record["cached"] >= record["import"] > 0 < record["cold"]
    rounds = [line.split()[1:4:2] for line in capfd.readouterr().err.splitlines() if " round " in line]
    assert rounds == [[f"{record['name']}:", f"{n}/2"] for n in (1, 2) for record in records]


def test_a_peer_that_dies_is_named_and_the_others_go_on(fakes: list[Entrant], tmp_path: Path) -> None:
    ours, peer = contests.train_in_turn(make_task("W1", tmp_path, UNLUCKY), fakes[:2], rounds=3)
    assert len(ours["rounds"]) == 3
    assert peer["error"] == "a ended with code 1: unlucky"


def test_without_ours_there_is_no_comparison(fakes: list[Entrant], tmp_path: Path) -> None:
    with pytest.raises(ChildError, match="unlucky"):
        contests.train_in_turn(make_task("W1", tmp_path, UNLUCKY), [fakes[0]._replace(variant="documented")], rounds=3)


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    make_task("W1", tmp_path).save()
    with Child(contests.TRAINERS["W1"][0], tmp_path) as child:
        child.ask("step")
        assert len(child.ask("infer")["values"]) == 8
        with pytest.raises(ChildError, match=r"AttributeError: .*dance"):
            child.ask("dance")


def make_results() -> dict:
    def record(name: str, variant: str, seconds: list[float]) -> dict:
        answers = [{"seconds": each, "memory_mb": 512.0} for each in seconds]
        return {
            "name": name,
            "variant": variant,
            "import": 1.0,
            "cold": 3.0,
            "cached": 2.0,
            "logits_differ": {"full": 1e-7, "padded": 0.0},
            "accuracy": 0.875,
            "rounds": [{"train": answer, "infer": answer} for answer in answers],
        }

    competitors = [
        record("imdb_jax", "ours", [1.0, 2.0, 4.0]),
        record("flax", "documented", [10.0, 20.0, 40.0]),
        {"name": "pytorch", "variant": "documented", "error": "pytorch ended with code 1: unlucky"},
        record("pytorch-unmasked", "unmasked", [5.0, 5.0, 5.0]),
    ]
    workload = {
        "config": "configs/glove_bilstm.py",
        "batch_size": 32,
        "rounds": 3,
        "train_reviews": 1000,
        "test_reviews": 500,
        "texts": 0,
        "train_words": 200_000,
        "padding": 0.05,
        "gflop_per_epoch": 200.0,
        "competitors": competitors,
    }
    machine = {"cpu": "A CPU", "devices": ["a card"], "cores": 2, "load": 0.0, "peak_gflops": 400.0}
    machine["versions"] = {"jax": "0.10.2"}
    return {"machine": machine, "workloads": {"W1": workload}}


def cells_of(text: str) -> dict[str, list[str]]:
    """Cells of the rows of a table, by the first one."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {first: rest for first, *rest in rows}


def test_report() -> None:
    text = report.markdown(json.loads(json.dumps(make_results())))
    rows = cells_of(text)
    assert rows["flax"][1:5] == ["50 (25-100)", "10.00", "25 (12-50)", "10.00"]
    assert rows["pytorch-unmasked"][:3] == [report.VARIANTS["unmasked"][0], "200 (200-200)", "2.50"]
    assert "pytorch ended with code 1: unlucky" in text
    assert "100,000 words/s and does 100 useful GFLOP/s, 25% of 400" in text
    assert "5.0% of the token slots" in text


def test_a_review_alone_is_read_alone(tmp_path: Path) -> None:
    read = []

    def probabilities(reviews: list[bytes]) -> np.ndarray:
        read.append(reviews)
        return np.full(len(reviews), 0.5)

    server = Server(make_task("W2", tmp_path)._replace(texts=(b"a", b"b", b"c"), single=2), probabilities)
    assert server.many().tolist() == [0.5] * 3
    assert len(server.single()) == 2
    assert read == [[b"a", b"b", b"c"], [b"a"], [b"b"]]


def test_report_of_servers() -> None:
    def record(name: str, slowest: float, seconds: list[float]) -> dict:
        single = {"percentiles": [0.001, slowest]}
        rounds = [{"many": {"seconds": each}, "single": single} for each in seconds]
        return {"name": name, "rounds": rounds, "probabilities_differ": 2e-8}

    servers = [record("ours", 0.001, [2.0, 1.0, 4.0]), record("theirs", 0.011, [20.0, 10.0, 40.0])]
    servers.append({"name": "unlucky", "error": "pytorch ended with code 1: unlucky"})
    workload = {"config": "configs/conv1d.py", "texts": 100, "rounds": 3, "competitors": servers}
    text = report.markdown({"machine": make_results()["machine"], "workloads": {"W2": workload}})
    rows = cells_of(text)
    assert rows["ours"] == ["50 (25-100)", "1.00", "1.00", "1.00", "2e-08"]
    assert rows["theirs"] == ["5 (2-10)", "10.00", "1.00", "11.00", "2e-08"]
    assert "pytorch ended with code 1: unlucky" in text


def test_chart(tmp_path: Path) -> None:
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
    assert WORKLOADS["W1"][1](np.array([1])) == 2 * 2 * (2 * 132 * 128 + 32 * 128)


def test_help_needs_nothing_that_is_large() -> None:
    command = [sys.executable, "-m", "scripts.peers.benchmark", "--help"]
    assert "pytorch-unmasked" in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workload", "entrant"),
    [(workload, entrant) for workload, entrants in contests.TRAINERS.items() for entrant in entrants[1:]],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_same_weights_same_logits(workload: str, entrant: Entrant, tmp_path: Path) -> None:
    """W2's peers pool over padding, as their documentation does: equal on reviews that fill the length."""
    needed = {"keras": ("keras", "tensorflow"), "flax": (), "pytorch": ("torch",)}
    for package in needed[entrant.name.partition("-")[0]]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install -e '.[bench]'")
    task = make_task(workload, tmp_path)
    task.save()
    zero = workload == "W3"  # its weights start from it
    logits, ours = (logits_of(one, tmp_path, zero) for one in (entrant, contests.TRAINERS[workload][0]))
    if zero:
        assert np.corrcoef(logits, ours)[0, 1] > 0.99
        return
    gaps = contests.difference(task, logits, ours)
    assert gaps["full"] < 1e-4
    if workload == "W1":
        assert (gaps["padded"] < 1e-4) == (entrant.variant != "unmasked")
    assert np.ptp(logits) > 1e-3  # competitors that say the same of every review would pass


def logits_of(entrant: Entrant, folder: Path, learned: bool) -> np.ndarray:
    """What a competitor says once it has trained; unless it is of interest what it learned, with the task's weights."""
    with Child(entrant, folder) as child:
        child.ask("train")
        if not learned:
            child.ask("reset")
        return np.array(child.ask("infer")["values"])
