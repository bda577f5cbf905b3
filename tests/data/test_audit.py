"""What the audit counts and refuses."""

import dataclasses
import json
from collections.abc import Mapping
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from imdb_jax.config import TextConfig
from imdb_jax.data import audit as audit_module
from imdb_jax.data.audit import Audit, refuse_unfit, summary, table, warnings
from imdb_jax.data.encoded import LONGEST_REVIEW
from imdb_jax.data.reviews import Reviews
from imdb_jax.data.text import split_words
from imdb_jax.errors import UserError

WORDS = TextConfig()


def listed(*reviews: tuple[bytes, int]) -> Reviews:
    texts, labels = zip(*reviews, strict=True)
    return Reviews(lambda: ([*texts], np.array(labels, np.int8)))


def audit(splits: Mapping[str, Reviews], text: TextConfig = WORDS) -> Audit:
    lengths = {name: np.array([len(split_words(each, text)) for each in of.texts()]) for name, of in splits.items()}
    return audit_module.audit(splits, lengths)


TRAIN = listed(
    (b"a good film", 1),
    (b"a good film", 1),
    (b"a bad film", 0),
    (b" \n", 0),
    (b"caf\xe9 \0", 0),
    (b"x" * LONGEST_REVIEW, 1),
    ("café 🎬".encode(), 1),
)
TEST = listed((b"a good film", 0), (b"a bad film", 0), (b"new", 1), (b"a bad film", 0))


def test_counts_of_one_split() -> None:
    split = audit({"train": TRAIN}).splits["train"]
    assert (split.reviews, split.classes, split.longest_run) == (7, {"neg": 3, "pos": 4}, 3)
    assert (split.duplicates, split.empty, split.invalid_utf8, split.nul, split.truncated) == (1, 1, 1, 1, 1)
    assert split.bytes == sum(map(len, TRAIN.texts()))
    assert (split.words["min"], split.words["50 %"], split.words["max"]) == (0, 2, 3)
    assert split.words["mean"] == pytest.approx(14 / 7)
    assert split.words["std"] == pytest.approx(np.std([3, 3, 3, 0, 2, 1, 2]))


def test_words_are_those_that_the_rules_of_the_config_give() -> None:
    odd = listed((b"?! ...", 1), (b"a<br />bad<br/>film", 0))
    as_keras = audit({"train": odd}).splits["train"]
    assert (as_keras.empty, as_keras.words["max"]) == (1, 2)  # "abr" and "badbrfilm"
    apart = audit({"train": odd}, TextConfig(break_tags_as_spaces=True)).splits["train"]
    assert (apart.empty, apart.words["max"]) == (1, 3)


def test_one_text_with_both_labels_is_counted_in_its_split() -> None:
    split = audit({"train": listed((b"fine", 1), (b"fine", 0), (b"bad", 0), (b"fine", 1))}).splits["train"]
    assert (split.duplicates, split.conflicting) == (2, 3)


def test_texts_without_spaces_are_warned_of() -> None:
    chinese = listed(
        ("这部电影非常好看演员的表演很精彩故事也很感人".encode(), 1),
        ("太糟糕了浪费时间不推荐给任何人看无聊透顶".encode(), 0),
    )
    (warning,) = warnings(audit({"train": chinese, "test": TEST}), TextConfig())
    assert warning.startswith("train reviews have 1 words in the median, 21 characters long; where no spaces stand")
    assert "in Chinese or Japanese, set data.text.unit=characters; where only tags" in warning
    (warning,) = warnings(audit({"train": chinese, "test": chinese}), TextConfig(break_tags_as_spaces=True))
    assert "test reviews have 1 words" in warning
    assert "break_tags_as_spaces" not in warning
    short = listed(("很好看的电影".encode(), 1), ("浪费时间".encode(), 0))
    assert len(warnings(audit({"train": short}), TextConfig())) == 1
    assert not warnings(audit({"train": chinese, "test": TEST}), TextConfig(unit="characters"))
    korean = listed(("정말 훌륭한 영화 배우들의 연기가 좋았다".encode(), 1), ("지루한 영화".encode(), 0))
    assert not warnings(audit({"train": korean}), TextConfig())


def test_overlap_between_splits() -> None:
    (overlap,) = audit({"train": TRAIN, "test": TEST}).overlaps
    assert (overlap.first, overlap.second, overlap.reviews, overlap.conflicting) == ("train", "test", 3, 1)


def test_every_pair_of_splits_is_compared() -> None:
    report = audit({"train": TRAIN, "validation": TEST, "test": TEST})
    pairs = [(one.first, one.second) for one in report.overlaps]
    assert pairs == [("train", "validation"), ("train", "test"), ("validation", "test")]


def test_report_is_json_and_readable() -> None:
    report = audit({"train": TRAIN, "test": TEST})
    assert json.loads(json.dumps(dataclasses.asdict(report)))["splits"]["train"]["classes"] == {"neg": 3, "pos": 4}
    line = summary(report)
    assert "\n" not in line
    assert "train 7 (57.1 % pos, median 2 words)" in line
    assert "train invalid_utf8 1" in line
    assert "test empty" not in line
    assert "test texts also in train 3 (1 conflicting)" in line
    output = StringIO()
    Console(file=output, width=120).print(table(report))
    assert "3 (1 conflicting)" in output.getvalue()


def test_two_classes_pass() -> None:
    refuse_unfit(audit({"train": TRAIN, "test": TEST}))


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": listed((b"a", 1), (b"b", 1))}, "all 2 train reviews are pos; both classes are needed"),
        ({"train": listed((b"a", 0))}, "all 1 train reviews are neg"),
    ],
)
def test_one_class_is_refused(splits: dict[str, Reviews], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        refuse_unfit(audit(splits))
    assert caught.value.exit_code == 65


def test_a_test_split_of_one_class_is_allowed() -> None:
    refuse_unfit(audit({"train": TRAIN, "test": listed((b"a", 1))}))
