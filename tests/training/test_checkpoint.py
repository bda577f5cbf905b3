"""Checkpoints: what is kept, what damage does, what a failed save does."""

import contextlib
import gc
import hashlib
import json
import logging
import shutil
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from orbax.checkpoint import Checkpointer, v1

from imdb_jax.config import LearnedEmbedding, LSTMConfig, ModelConfig
from imdb_jax.errors import UserError
from imdb_jax.models import TextClassifier
from imdb_jax.training import checkpoint
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.step import Learner, TrainState
from tests.golden import generate_checkpoint as golden

ORIGIN = {"vocabulary.txt": "11 words"}


def state_at(step: int, hidden_dim: int = 3) -> TrainState:
    config = ModelConfig(embedding=LearnedEmbedding(dim=4), encoder=LSTMConfig(hidden_dim=hidden_dim))
    model = TextClassifier(config, 11, rngs=nnx.Rngs(step))
    _, state = Learner.create(model, optax.adam(1e-3), seed=step, ema_decay=0.9)
    return state._replace(step=jnp.int32(step))


def wide_state_at(step: int) -> TrainState:
    """One with an array too large to stand in Orbax's index, which has a checksum."""
    state = state_at(step)
    table = np.random.default_rng(step).normal(size=(64, 16)).astype(np.float32)
    return state._replace(params={**state.params, "table": jnp.asarray(table)})


def history(step: int) -> list[dict]:
    return [{"epoch": epoch, "train": {"loss": 1 / epoch}} for epoch in range(1, step + 1)]


def assert_equal(found: TrainState, expected: TrainState) -> None:
    assert fingerprints(found) == fingerprints(expected)


def saved(folder: Path, scores: dict[int, float | None]) -> Checkpoints:
    with Checkpoints(folder, ORIGIN) as checkpoints:
        for step, score in scores.items():
            checkpoints.save(state_at(step), history(step), score)
    return Checkpoints(folder, ORIGIN)


def kept(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def test_the_latest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, {1: 0.5, 2: 0.9, 3: 0.7, 4: 0.6, 5: 0.9, 6: None})
    assert kept(tmp_path) == [2, 5, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "5", "6"]
    found = checkpoints.restore_latest(state_at(0))
    assert found is not None
    assert_equal(found[0], state_at(6))
    assert found[1] == history(6)
    assert_equal(checkpoints.restore_best(state_at(0)), state_at(2))


def test_who_reads_a_run_gets_the_evaluated_weights_alone(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, {1: 0.5, 2: 0.9})
    like, state = state_at(0), state_at(2)
    for average in (like.ema, None):
        found = checkpoints.restore_best(like._replace(ema=average).evaluated())
        assert (found.opt_state, found.key, found.metrics) == (None, None, None)
        assert (found.params is None) == (average is not None)
        assert fingerprints(found.eval_params) == fingerprints(state.ema if average else state.params)


def test_nothing_to_restore(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "none", ORIGIN, read_only=True)
    assert checkpoints.restore_latest(state_at(0)) is None
    with pytest.raises(UserError, match="no evaluated checkpoint yet"):
        checkpoints.restore_best(state_at(0))
    assert not (tmp_path / "none").exists()


def flip(path: Path, random: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    place = int(random.integers(len(content)))
    content[place] ^= 1 << int(random.integers(8))
    path.write_bytes(content)


def truncate(path: Path, random: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes()[: int(random.integers(path.stat().st_size))])


def zero(path: Path, random: np.random.Generator) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def delete(path: Path, random: np.random.Generator) -> None:
    path.unlink()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


@pytest.mark.parametrize("damage", [flip, truncate, zero, delete])
def test_damage_is_noticed_and_the_one_before_is_taken(
    damage: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    """Whatever happens to whichever file of a checkpoint: the one before is taken, and one line says so."""
    logging.getLogger("imdb_jax").propagate = True
    saved(tmp_path / "whole", {1: 0.5, 2: 0.6})
    for number, path in enumerate(files(tmp_path / "whole" / "2")):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        damage(folder / path.relative_to(tmp_path / "whole"), np.random.default_rng(number))
        checkpoints = Checkpoints(folder, ORIGIN)
        caplog.clear()
        found = checkpoints.restore_latest(state_at(0))
        assert found is not None
        assert_equal(found[0], state_at(1))
        assert found[1] == history(1)
        assert kept(folder) == [1]
        assert [aside.name.partition("-")[0] for aside in (folder / "damaged").iterdir()] == ["2"]
        assert len([record for record in caplog.records if "damaged (" in record.message]) == 1
        checkpoints.save(state_at(2), history(2), 0.6)  # the number of one set aside is free again
        checkpoints.wait()
        assert kept(folder) == [1, 2]
    assert "Traceback" not in capfd.readouterr().err


def older(folder: Path, state: TrainState, score: float) -> None:
    """Writes a checkpoint as versions did that kept what it says of itself in Orbax's file."""
    step = int(state.step)
    said = {
        "step": step,
        "score": score,
        "history": history(step),
        "leaves": fingerprints(state),
        "origin": ORIGIN,
        "surroundings": {"jax": "1.0"},
    }
    text = json.dumps(said)
    custom = {"record": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    v1.save(str(folder / str(step)), jax.device_get(state), custom_metadata=custom)


def test_flipped_numbers_of_older_checkpoints_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those have no checksums of files, and Orbax loads them without a word."""
    logging.getLogger("imdb_jax").propagate = True
    for step in (1, 2):
        older(tmp_path, wide_state_at(step), 0.5)
    marks = fingerprints(wide_state_at(2))
    reader = Checkpoints(tmp_path, ORIGIN, {"jax": "1.1"}, read_only=True)
    parts = (tmp_path / "2" / "state" / "ocdbt.process_0" / "d").iterdir()
    data = max(parts, key=lambda path: path.stat().st_size)  # arrays first, then their index
    whole, silent = data.read_bytes(), 0
    random = np.random.default_rng(0)
    for _ in range(100):  # where in the file the numbers lie differs from time to time
        content = bytearray(whole)
        content[int(random.integers(len(whole)))] ^= 1 << int(random.integers(8))
        data.write_bytes(content)
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "fingerprints", lambda _: marks)  # nobody looks
            try:
                loaded = reader.restore_latest(wide_state_at(0))
            except UserError:  # Orbax has noticed it, and nobody knows the marks of the other step
                continue
        assert loaded is not None
        if int(loaded[0].step) != 2 or fingerprints(loaded[0]) == marks:
            continue  # Orbax has noticed it, or it does not matter
        caplog.clear()
        found = reader.restore_latest(wide_state_at(0))
        assert found is not None
        assert_equal(found[0], wide_state_at(1))
        assert "damaged (ValueError: params.table has changed)" in caplog.text
        assert "written in another environment (jax 1.0 -> 1.1)" in caplog.text
        if (silent := silent + 1) == 8:
            break
    assert silent == 8


def test_a_run_goes_on_from_older_checkpoints(tmp_path: Path) -> None:
    for step, score in ((1, 0.9), (2, 0.6)):
        older(tmp_path, state_at(step), score)
    with Checkpoints(tmp_path, ORIGIN) as checkpoints:
        found = checkpoints.restore_latest(state_at(0))
        assert found is not None
        assert_equal(found[0], state_at(2))
        assert found[1] == history(2)
        checkpoints.save(state_at(3), history(3), 0.7)
        checkpoints.save(state_at(4), history(4), 0.7)
    assert kept(tmp_path) == [1, 3, 4]
    assert_equal(checkpoints.restore_best(state_at(0)), state_at(1))


@pytest.mark.parametrize("devices", [2, 4])
def test_devices_come_and_go(devices: int, tmp_path: Path) -> None:
    """From one device to several, some arrays whole on each and some cut up, and back: bit for bit."""
    mesh = Mesh(np.array(jax.devices()[:devices]), ("devices",))

    def spread(leaf: jax.Array) -> jax.Array:
        cut = leaf.ndim == 2 and leaf.shape[0] % devices == 0
        return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec("devices") if cut else PartitionSpec()))

    state, one = wide_state_at(1), tmp_path / "one"
    several = one.with_name("several")
    with Checkpoints(one, ORIGIN) as checkpoints:
        checkpoints.save(state, history(1), 0.5)
        checkpoints.wait()
        found = checkpoints.restore_best(jax.tree.map(spread, wide_state_at(0)))
    assert found.params["table"].addressable_shards[0].data.shape == (64 // devices, 16)
    assert found.params["output"]["bias"].sharding.num_devices == devices
    assert_equal(found, state)
    with Checkpoints(several, ORIGIN) as checkpoints:
        checkpoints.save(found, history(1), 0.5)
        checkpoints.wait()
        back = checkpoints.restore_best(wide_state_at(0))
    assert back.params["table"].sharding.num_devices == 1
    assert_equal(back, state)


def test_another_dtype_is_refused_by_name(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, {1: 0.5})
    state = state_at(0)
    like = state._replace(params=jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), state.params))
    with pytest.raises(UserError, match=r"table is float32\[11, 4\] there but bfloat16\[11, 4\] in this run"):
        checkpoints.restore_best(like)
    assert kept(tmp_path) == [1]


@pytest.mark.parametrize("folder", [golden.FOLDER, golden.OLDER], ids=lambda folder: folder.name)
def test_a_checkpoint_of_long_ago_is_restored(folder: Path) -> None:
    """Whatever the versions of Orbax, JAX, Flax and optax: bit for bit."""
    checkpoints = Checkpoints(folder, golden.ORIGIN, read_only=True)
    found = checkpoints.restore_latest(golden.blank())
    assert found is not None
    assert fingerprints(found[0]) == {name: tuple(mark) for name, mark in json.loads(golden.MARKS.read_text()).items()}
    assert_equal(found[0], golden.filled())
    assert found[1] == golden.HISTORY


def test_readers_change_nothing(tmp_path: Path) -> None:
    saved(tmp_path, {1: 0.5, 2: 0.6})
    (tmp_path / ".3.0123456789abcdef").mkdir()  # a run is saving
    for path in files(tmp_path / "2"):
        zero(path, np.random.default_rng(0))
    checkpoints = Checkpoints(tmp_path, ORIGIN, read_only=True)
    assert_equal(checkpoints.restore_best(state_at(0)), state_at(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".3.0123456789abcdef", "1", "2"]


def test_no_whole_checkpoint_is_an_error_and_not_a_new_start(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, {1: 0.5, 2: 0.6})
    for step in "12":
        for path in files(tmp_path / step):
            path.unlink()
    for restore in (checkpoints.restore_latest, checkpoints.restore_best):
        with pytest.raises(UserError, match="none of its 2 checkpoints can be read") as caught:
            restore(state_at(0))
        assert caught.value.exit_code == 65
    assert kept(tmp_path) == [1, 2]


def test_rests_of_a_killed_save_and_deletion_are_swept(tmp_path: Path) -> None:
    saved(tmp_path, {1: 0.5})
    for rest in (".2.0123456789abcdef/arrays.orbax-checkpoint-tmp", "2.orbax-checkpoint-tmp", ".0.retired"):
        (tmp_path / rest).mkdir(parents=True)
    Checkpoints(tmp_path, ORIGIN)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_another_model_is_refused_by_name_and_nothing_set_aside(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, {1: 0.5})
    with pytest.raises(UserError, match=r"backward\.bias is float32\[12\] there but float32\[16\] in this run"):
        checkpoints.restore_latest(state_at(0, hidden_dim=4))
    assert kept(tmp_path) == [1]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"vocabulary.txt": "12 words"}, "vocabulary.txt is 11 words there but 12 words in this run"),
        ({**ORIGIN, "vectors.npy": "ab"}, "vectors.npy is absent there but ab in this run"),
        ({}, "vocabulary.txt is 11 words there but absent in this run"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_name_and_not_set_aside(
    other: dict[str, str], said: str, tmp_path: Path
) -> None:
    saved(tmp_path, {1: 0.5})
    for restore in (Checkpoints(tmp_path, other).restore_latest, Checkpoints(tmp_path, other).restore_best):
        with pytest.raises(UserError, match=said) as refused:
            restore(state_at(0))
        assert refused.value.exit_code == 2
    assert kept(tmp_path) == [1]


def test_a_state_is_let_go_of_as_soon_as_it_is_written(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, ORIGIN)
    state = state_at(1)
    held = weakref.ref(jax.tree.leaves(state.params)[0])
    checkpoints.save(state, history(1), 0.5)
    del state
    checkpoints._writer.submit(int).result()  # not `wait`: training waits only when the next is due
    gc.collect()
    assert held() is None


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch):
    """While it is entered, there is no room on the disk."""

    @contextlib.contextmanager
    def full():
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
            yield

    return full


def test_a_failed_save_is_told_and_training_goes_on(
    tmp_path: Path, full_disk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("imdb_jax").propagate = True
    checkpoints = saved(tmp_path, {1: 0.5})
    with full_disk():
        checkpoints.save(state_at(2), history(2), 0.6)
        checkpoints.wait()
    assert checkpoints.failed
    assert [record.message for record in caplog.records if "not written" in record.message] == [
        f"{tmp_path}: checkpoint of step 2 not written (no space left on the disk); training goes on, the newest is 1"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    checkpoints.save(state_at(3), history(3), 0.7)
    checkpoints.wait()
    assert not checkpoints.failed
    assert kept(tmp_path) == [2, 3]  # the second was the best, and is tried again


def test_a_disk_that_fills_up_while_orbax_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("imdb_jax").propagate = True
    checkpoints = saved(tmp_path, {1: 0.5})

    def full(_: Checkpointer, path: Path, *__: Any) -> None:
        path.with_name("arrays.orbax-checkpoint-tmp").mkdir()
        raise ValueError("RESOURCE_EXHAUSTED: os_error_code='28'")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpointer, "save", full)
        checkpoints.save(state_at(2), history(2), 0.6)
        checkpoints.wait()
    assert "checkpoint of step 2 not written (no space left on the disk)" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_the_best_is_written_as_soon_as_there_is_room(
    tmp_path: Path, full_disk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("imdb_jax").propagate = True
    checkpoints = saved(tmp_path, {1: 0.5})
    with full_disk():
        checkpoints.save(state_at(2), history(2), 0.9)
        checkpoints.save(state_at(3), history(3), 0.6)
        checkpoints.wait()
    assert checkpoints.failed
    for step in (4, 5, 6):
        checkpoints.save(state_at(step), history(step), 0.7)
    checkpoints.wait()
    assert not checkpoints.failed
    assert kept(tmp_path) == [2, 5, 6]
    assert_equal(checkpoints.restore_best(state_at(0)), state_at(2))
    assert sum("step 2 not written" in record.message for record in caplog.records) == 1


def test_the_last_one_is_tried_again(tmp_path: Path, full_disk: Any) -> None:
    checkpoints = saved(tmp_path, {1: 0.5})
    with full_disk():
        checkpoints.save(state_at(2), history(2), 0.4)
        checkpoints.wait()
        assert checkpoints.failed
    assert kept(tmp_path) == [1]
    checkpoints.wait()
    assert not checkpoints.failed
    assert kept(tmp_path) == [1, 2]


def test_an_earlier_one_that_is_not_the_best_is_given_up(tmp_path: Path, full_disk: Any) -> None:
    checkpoints = saved(tmp_path, {1: 0.5})
    with full_disk():
        checkpoints.save(state_at(2), history(2), 0.4)
        checkpoints.save(state_at(3), history(3), 0.4)
        checkpoints.wait()
    checkpoints.wait()
    assert not checkpoints.failed
    assert kept(tmp_path) == [1, 3]


def test_another_environment_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("imdb_jax").propagate = True
    for jax_version in ("1.0", "1.0", "1.1"):
        with Checkpoints(tmp_path, ORIGIN, {"jax": jax_version, "cores": 2}) as checkpoints:
            checkpoints.restore_latest(state_at(0))
            checkpoints.save(state_at(1), history(1), 0.5)
    assert [record.message for record in caplog.records if "environment" in record.message] == [
        f"{tmp_path}: written in another environment (jax 1.0 -> 1.1); figures may round differently"
    ]
