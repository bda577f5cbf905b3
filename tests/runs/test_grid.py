"""Seeds and values of a grid become members; what does not fit is refused by its option."""

import dataclasses
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.config import Config, OptimizerConfig, fields, with_fields
from imdb_jax.errors import UserError
from imdb_jax.runs.population import MOST, members

CONFIG = Config(seed=5, optimizer=OptimizerConfig(clip_norm=None))


def test_every_combination_has_a_name_that_says_it() -> None:
    found = members(CONFIG, "1,2", {"optimizer.learning_rate": "1e-3,1", "model.dropout": "0.5"})
    assert found == {
        f"seed={seed},model.dropout=0.5,optimizer.learning_rate={rate}": {
            "seed": seed,
            "model.dropout": 0.5,
            "optimizer.learning_rate": rate,
        }
        for rate in (0.001, 1.0)
        for seed in (1, 2)
    }


def test_without_seeds_the_config_has_its_own() -> None:
    assert list(members(CONFIG, None, {"optimizer.clip_norm": "1"})) == ["seed=5,optimizer.clip_norm=1.0"]


@given(
    first=st.integers(0, 2**31 - 60), more=st.integers(0, 50), others=st.lists(st.integers(0, 2**31 - 1), max_size=5)
)
def test_ranges_and_lists_of_seeds(first: int, more: int, others: list[int]) -> None:
    text = ",".join([f"{first}..{first + more}", *map(str, others)])
    found = [values["seed"] for values in members(CONFIG, text, {}).values()]
    assert found == list(dict.fromkeys([*range(first, first + more + 1), *others]))


@given(text=st.text(st.sampled_from("0123456789., -x"), max_size=12))
def test_whatever_is_typed_as_seeds_is_read_or_refused(text: str) -> None:
    try:
        found = members(CONFIG, text, {})
    except UserError:
        return
    assert 1 <= len(found) <= MOST
    assert all(dataclasses.replace(CONFIG, seed=int(values["seed"])) for values in found.values())


@pytest.mark.parametrize(
    ("seeds", "grid", "said"),
    [
        ("7..0", {}, "--config.seeds: '7..0'; a seed, or a range such as 0..7, the smaller one first"),
        ("99999999999", {}, "the smaller one first; none above 2,147,483,647"),
        ("a", {}, "--config.seeds: 'a'; a seed, or a range such as 0..7"),
        ("", {}, "--config.seeds: ''; a seed, or a range"),
        ("-1", {}, "--config.seeds: '-1'; a seed, or a range"),
        ("3000000000", {}, "seed: 3000000000; input should be less than 2147483648"),
        ("0..999999999", {}, "1,000,000,000 members; at most 1,000"),
        ("0..600", {"model.dropout": "0.1,0.2"}, "1,202 members; at most 1,000"),
        (None, dict.fromkeys(("model.dropout", "optimizer.learning_rate"), ",".join(["0.1"] * 40)), "1,600 members"),
        (None, {"seed": "1,2"}, "--grid.seed: seeds are given by --config.seeds"),
        (None, {"model.dropout": "0.1,x"}, "--grid.model.dropout: 'x'; needs numbers"),
        (None, {"model.dropout": ""}, "--grid.model.dropout: ''; needs numbers"),
        (None, {"model.dropout": "nan"}, "--grid.model.dropout: 'nan'; needs numbers"),
        (None, {"model.dropout": "1.5"}, "model.dropout: 1.5; input should be less than 1"),
        (None, {"model.dropuot": "0.5"}, "model.dropuot: no such field; did you mean model.dropout?"),
        (None, {"training.epochs": "1.5"}, "training.epochs: 1.5; input should be a valid integer"),
        (None, {"optimizer.name": "1"}, "optimizer.name: 1; input should be 'rmsprop'"),
        (None, {"model.hidden_dims": "8"}, "model.hidden_dims: 8; input should be a valid"),
        (None, {"model.encoder.bidirectional": "1"}, "model.encoder.bidirectional: 1; input should be a valid boolean"),
        (None, {"data.path": "1"}, "data.path: 1; input should be a valid string"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_option(seeds: str | None, grid: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        members(CONFIG, seeds, grid)
    assert said in str(refused.value)


def test_members_named_twice_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert list(members(CONFIG, "3,3", {})) == ["seed=3"]
        assert len(members(CONFIG, "0..3", {"model.dropout": "0.1,0.2"})) == 8
    assert caplog.messages == ["--config.seeds, --grid: 2 members named, 1 different; each is trained once"]


def test_values_that_are_set_are_the_only_ones_that_change() -> None:
    changed = fields(with_fields(CONFIG, {"seed": 1, "training.epochs": 3}))
    assert {name: value for name, value in changed.items() if value != fields(CONFIG)[name]} == {
        "seed": 1,
        "training.epochs": 3,
    }
