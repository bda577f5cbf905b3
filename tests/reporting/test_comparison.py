"""Runs side by side."""

from imdb_jax.reporting.comparison import ABSENT, COLUMNS, Entrant, differing, grouped, rows


def entrant(name: str, seed: int, rate: float = 0.1, **figures: float) -> Entrant:
    return Entrant(name, {"seed": seed, "optimizer.learning_rate": rate}, [], None, figures)


A0 = entrant("a-0", 0, **{"test accuracy, %": 80.0, "best epoch": 3.0})
A1 = entrant("a-1", 1, **{"test accuracy, %": 82.0, "best epoch": 3.0})
B = entrant("b-2", 2, rate=0.2)


def test_runs_that_differ_in_their_seed_alone_are_one_group() -> None:
    assert grouped([A0, B, A1]) == {"a": [A0, A1], "b-2": [B]}
    numbers = [entrant("0", 0), entrant("1", 1)]
    assert grouped(numbers) == {"0": numbers}
    others = [entrant("a_0", 0, 0.3), entrant("a_1", 1, 0.3)]
    assert grouped([A0, A1, *others]) == {"a": [A0, A1], "a_0": others}
    grid = [entrant(f"grid/seed={seed},model.dropout=0.3", seed) for seed in (9, 10)]
    assert grouped(grid) == {"grid/model.dropout=0.3": grid}
    assert list(grouped([entrant(f"seeds/seed={seed}", seed) for seed in (10, 11)])) == ["seeds"]


def test_groups_show_mean_and_standard_deviation() -> None:
    both, interval = rows("a", [0, 1], [A0.figures, A1.figures])
    figures = dict(zip(COLUMNS, both.cells, strict=True))
    assert both.seeds == [0, 1]
    assert figures["test accuracy, %"] == "81.00 ± 1.41"
    assert figures["best epoch"] == "3"
    assert figures["test loss"] == ABSENT
    assert dict(zip(COLUMNS, interval.cells, strict=True))["test accuracy, %"] == "68.29 – 93.71"
    assert set(interval.cells[1:]) == {""}
    (alone,) = rows("a-0", [0], [A0.figures])
    assert dict(zip(COLUMNS, alone.cells, strict=True))["test accuracy, %"] == "80.00"


def test_what_differs_leaves_out_the_seed() -> None:
    assert differing({"a": [A0, A1], "b-2": [B]}) == {"optimizer.learning_rate": [0.1, 0.2]}
    assert differing({"a": [A0, A1]}) == {}
    other = entrant("c", 0)._replace(config={"seed": 0, "optimizer.learning_rate": 0.1, "model.dim": 3})
    assert differing({"a": [A0], "c": [other]}) == {"model.dim": [ABSENT, 3]}
