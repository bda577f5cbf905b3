"""Mistakes: which ones are shown, and that each attribution stands at its word."""

import numpy as np
import pytest

from imdb_jax.config import TextConfig
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.inference.predictor import Prediction
from imdb_jax.reporting.mistakes import Mistake, attributed, surest_mistakes

TOKENS = {
    "text_vectorization": (b"", b"[UNK]", b"good", b"its", b"b"),
    "keras_imdb": (b"<PAD>", b"<BOS>", b"<UNK>", b"<UNUSED>", b"good", b"its", b"b"),
}
REVIEW = b"It's - GOOD!<BR />caf\xe9 <b>"


def vocabulary(special: str = "text_vectorization") -> Vocabulary:
    return Vocabulary(TOKENS[special], TextConfig(break_tags_as_spaces=True, special_tokens=special))


def test_the_surest_mistakes_come_first() -> None:
    logits, labels = np.array([-1.0, 3, 2, -4, 5, -0.5]), np.array([0, 0, 0, 1, 1, 1])
    assert surest_mistakes(logits, labels, 0, 10).tolist() == [1, 2]
    assert surest_mistakes(logits, labels, 1, 10).tolist() == [3, 5]
    assert surest_mistakes(logits, labels, 1, 1).tolist() == [3]


def test_attributions_stand_at_their_words_as_written() -> None:
    words, unread = attributed(REVIEW, np.array([0.5, -2.0, 1.0, 0.01]), vocabulary(), "head")
    assert [(word.written, word.attribution) for word in words] == [
        ("It's", 0.5),
        ("-", 0.0),
        ("GOOD!", -2.0),
        ("caf�", 1.0),
        ("<b>", 0.01),
    ]
    assert [word.read for word in words] == ["its", "", "good", "caf�", "b"]
    assert [word.strength for word in words] == [0.25, 0, 1, 0.5, 0]  # the last is too weak for a colour
    assert [word.known for word in words] == [True, True, True, False, True]
    assert unread == (0, 0)
    for label, strongest in (("positive", ["caf�", "its", "b"]), ("negative", ["good"])):
        assert Mistake(Prediction(label, 0.5, []), words, unread, 0.0).strongest == strongest


@pytest.mark.parametrize(
    ("keep", "shown", "unread"), [("head", ["It's", "-", "GOOD!"], (0, 2)), ("tail", ["caf�", "<b>"], (2, 0))]
)
def test_the_part_that_was_read_is_shown(keep: str, shown: list[str], unread: tuple[int, int]) -> None:
    words, left = attributed(REVIEW, np.array([1.0, 1.0]), vocabulary(), keep)
    assert [word.written for word in words] == shown
    assert left == unread


def test_start_tokens_and_empty_reviews_have_words_too() -> None:
    words, unread = attributed(b" .. ", np.array([0.0, 0.0]), vocabulary("keras_imdb"), "head")
    assert [word.read for word in words if word.read] == ["<BOS>", "<UNK>"]
    assert unread == (0, 0)
    assert not any(word.strength for word in words)
