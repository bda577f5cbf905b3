"""The measuring scripts: what they read from programs and traces, and how they grow a config."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from imdb_jax.config import Config, Conv1DConfig, ModelConfig
from scripts.environment import ROOT
from scripts.measure.hlo import Program
from scripts.measure.mistakes import MISTAKES, PAGE, padded_to
from scripts.measure.reproduce import CONFIGS, with_cells, with_docstring_figures
from scripts.measure.runs import groups
from scripts.measure.scaling import points
from scripts.measure.trainer import repeated
from scripts.peers.bags import NAMES
from tests.conftest import random_split


def compiled(function, *arguments) -> Program:
    return Program(jax.jit(function).lower(*arguments).compile().as_text())


def test_products_of_the_innermost_loop() -> None:
    square = jnp.ones((64, 64))

    def nested(x):
        def chunk(_, x):
            return jax.lax.scan(lambda x, _: (jnp.tanh(x @ square), None), x, length=100)[0] @ square

        return jax.lax.fori_loop(0, x.shape[0], chunk, x)

    program = compiled(nested, square)
    assert [program.products(body) for body in program.innermost] == [1]
    assert program.collectives == []


def test_collectives_inside_and_outside_of_loops() -> None:
    mesh = Mesh(np.array(jax.devices()[:2]), ("rows",))

    def sharded(function):
        rows, everywhere = PartitionSpec("rows"), PartitionSpec()
        return jax.shard_map(function, mesh=mesh, in_specs=rows, out_specs=everywhere, check_vma=False)

    def once(x):
        return jax.lax.psum(x.sum(axis=0), "rows")

    def often(x):
        return jax.lax.scan(lambda total, row: (total + jax.lax.psum(row, "rows"), None), jnp.zeros(8), x)[0]

    x = jnp.ones((4, 8))
    assert compiled(sharded(once), x).collectives == [("all-reduce", 32, 0)]
    assert compiled(sharded(often), x).collectives == [("all-reduce", 32, 1)]


def test_programs_for_gpus() -> None:
    """Collectives that begin and end apart, and products by CUDA's libraries."""
    program = Program("""
%fused (x: f32[2,8]) -> f32[2,8] {
  ROOT %dot.1 = f32[2,8]{1,0} dot(%x, %x), lhs_contracting_dims={1}
}

%body (t: (s32[], f32[2,8])) -> (s32[], f32[2,8]) {
  %fusion.1 = f32[2,8]{1,0} fusion(%x), kind=kCustom, calls=%fused
  %gemm = (f32[2,8]{1,0}, s8[64]{0}) custom-call(%x, %y), custom_call_target="__cublas$gemm"
  %other = f32[2,8]{1,0} custom-call(%x, %y), custom_call_target="TopK"
}

ENTRY %main (x: f32[2,8]) -> f32[2,8] {
  %while.1 = (s32[], f32[2,8]{1,0}) while(%t), condition=%condition, body=%body
  %all-reduce-start = f32[2,8]{1,0} all-reduce-start(%x), to_apply=%add
  %all-reduce-done = f32[2,8]{1,0} all-reduce-done(%all-reduce-start)
  %all-gather-start = (f32[16]{0}, f32[256]{0}) all-gather-start(%y), dimensions={0}
  %all-gather-done = f32[256]{0} all-gather-done(%all-gather-start)
}
""")
    assert program.collectives == [("all-reduce", 64, 0), ("all-gather", 1_024, 0)]
    assert [program.products(body) for body in program.innermost] == [2]


def test_repeated_reviews() -> None:
    split = random_split([3, 1, 2])
    more = repeated(split, 5)
    np.testing.assert_array_equal(more.ids[:6], split.ids)
    np.testing.assert_array_equal(more.ids[6:], split.ids[:4])
    np.testing.assert_array_equal(more.offsets, [0, 3, 4, 6, 9, 10])
    np.testing.assert_array_equal(more.labels, split.labels[[0, 1, 2, 0, 1]])


def test_one_size_grows_at_a_time() -> None:
    base = Config(model=ModelConfig(encoder=Conv1DConfig()))
    grown = list(points(base))
    assert [name for *_, name, first in grown if first] == [
        "max_length 100",
        "batch_size 16",
        "features 8",
        "1 x the reviews",
    ]
    for config, times, *_ in grown:
        changed = [f.name for f in dataclasses.fields(base) if getattr(config, f.name) != getattr(base, f.name)]
        assert len(changed) + (times > 1) <= 1


def test_profile_names_operations(tmp_path) -> None:
    command = [sys.executable, "-m", "scripts.measure.profile", "--config", "configs/quickstart.py", "--steps", "3"]
    small = ["--config.data.limit=60", "--config.data.vocabulary_size=200", "--config.data.max_length=24"]
    done = subprocess.run([*command, *small, "--trace", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ms a step" in done.stdout
    assert "while" in done.stdout
    assert list(tmp_path.rglob("*.xplane.pb"))


def result(seed: int, accuracy: float) -> dict:
    return {
        "test": {"accuracy": accuracy},
        "validation": {"accuracy": accuracy + 0.01},
        "seed": seed,
        "best_epoch": 3 + seed,
        "seconds": {"train": 9.0 + seed, "total": 10.0 + seed},
        "device": {"platform": "cpu", "cores": 2, "count": 2, "kind": "cpu"},
        "versions": {"jax": "1.2.3", "flax": "4.5.6"},
        "config": {"seed": seed, "training": {"epochs": 15}},
    }


def test_runs_that_differ_in_their_seed_alone_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for seed in range(3):
        (tmp_path / str(seed)).mkdir()
        (tmp_path / str(seed) / "results.json").write_text(json.dumps(result(seed, 0.8)))
    (tmp_path / "other").mkdir()
    other = result(0, 0.8) | {"config": {"seed": 0, "training": {"epochs": 16}}}
    (tmp_path / "other" / "results.json").write_text(json.dumps(other))
    (tmp_path / "running").mkdir()
    found = groups(sorted(tmp_path.iterdir()))
    assert [[folder.name for folder, _ in runs] for runs in found] == [["0", "1", "2"], ["other"]]
    assert "running: not finished" in capsys.readouterr().err


def test_figures_go_into_a_docstring_and_nowhere_else() -> None:
    source = '"""Title.\n\nTest accuracy 1 %\nand more.\n\nOther.\n"""\ntext = "Test accuracy 2"\n'
    written = with_docstring_figures(source, [result(0, 0.81), result(1, 0.83)])
    assert written.startswith('"""Title.\n\nTest accuracy 82.00 ± 1.41 %, validation 83.00 ± 1.41 % (seeds 0, 1,')
    assert "epochs 3, 4 of up to 15" in written
    assert written.endswith('\n\nOther.\n"""\ntext = "Test accuracy 2"\n')
    assert with_docstring_figures(written, [result(0, 0.81), result(1, 0.83)]) == written


def test_every_config_has_a_place_for_its_figures() -> None:
    readme = (ROOT / "README.md").read_text()
    for name, path in CONFIGS.items():
        assert "0.5 %" in with_docstring_figures(path.read_text(), [result(0, 0.005)]).replace("0.50", "0.5")
        first = f"[{name}](configs/{name}.py)"
        assert "nowhere else" in with_cells(readme, first, {2: "nowhere else"}), name


def test_cells_of_one_row() -> None:
    table = "text\n| a | b |\n|---|---|\n| x | 1 |\n| y |  |\n"
    assert with_cells(table, "y", {1: "2"}) == "text\n| a | b |\n|---|---|\n| x | 1 |\n| y | 2 |\n"


def test_mistakes_have_their_rows() -> None:
    for name, (system, _) in MISTAKES.items():
        assert f"| {name} | [{system}](../configs/{system}.py) |" in PAGE.read_text()


def test_padding_becomes_words() -> None:
    split = random_split([2, 5])
    padded = padded_to(4, split)
    assert padded.ids.tolist() == [*split.ids[:2], 0, 0, *split.ids[2:6]]
    assert padded.offsets.tolist() == [0, 4, 8]


def test_the_share_of_a_run_that_checkpoints_take() -> None:
    command = [
        sys.executable,
        "-m",
        "scripts.measure.checkpoints",
        "--config",
        "configs/quickstart.py",
        "--epochs",
        "2",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    head, _, row = done.stdout.splitlines()
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert 0 < float(cells["share, %"]) < 100
    assert float(cells["waiting for checkpoints, s"]) < float(cells["run, s"])


@pytest.mark.parametrize("what", ["devices --rows 4 --steps 1", "population --seeds 2 --epochs 1"])
def test_a_table_of_several_devices_or_members(what: str) -> None:
    command = [sys.executable, "-m", *f"scripts.measure.{what} --config configs/quickstart.py --rounds 1".split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) == (5 if "devices" in what else 2)
    assert len({len(row) for row in rows}) == 1
    assert not done.stderr


def test_a_record_is_timed_from_nothing_and_again() -> None:
    command = [sys.executable, "-m", "scripts.measure.records", "--config", "configs/quickstart.py", "--peers"]
    done = subprocess.run([*command, "--seeds", "2"], cwd=ROOT, capture_output=True, text=True, check=True)
    row = done.stdout.splitlines()[2].strip("| ").split(" | ")
    assert row[:2] == ["configs/quickstart.py", "2"]
    assert len(row) == 6


@pytest.mark.parametrize(("name", "needs"), [("scikit-learn, words and pairs", "sklearn"), ("fastText", "fasttext")])
def test_bags_of_words_learn(name: str, needs: str) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed: pip install -e '.[records]'")
    train, most = next(found for peer, found in NAMES.items() if peer.startswith(name))
    texts, labels = ["A good film", "Not good.<br />Bad!"] * 40, np.array([1, 0] * 40)
    assert list(train(texts, labels, most)(["a good film", "bad"])) == [1, 0]
