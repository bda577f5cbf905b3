"""A small generated corpus of film reviews, to try and to test the trainer without any download.

Reviews are written by a seeded grammar: opinions of different strength among neutral remarks. Negations flip an
opinion, only the half after "but" counts, and a closing verdict outweighs what was said before; the sign of the sum is
the label, and `NOISE` of the labels are wrong on purpose. So word counts alone tell part of the story: a logistic
regression on them reaches BOW_ACCURACY of the test reviews (tests/data/test_synthetic.py measures it), where reading
in order could reach 97 %.

The corpus has its own name, so that no result on it can pass as one on IMDB.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import tensorflow_datasets as tfds

from imdb_jax.data.cache import cache_dir
from imdb_jax.data.prepared import open_prepared, prepare
from imdb_jax.data.reviews import Corpus

T = TypeVar("T")

SIZES = {"train": 2_000, "test": 1_000}
NOISE = 0.03
WORDS = range(8, 121)  # allowed lengths of a review

OPINIONS = {
    2: "brilliant wonderful superb unforgettable perfect masterful outstanding breathtaking".split(),
    1: "good charming funny clever enjoyable pleasant solid touching likeable fresh".split(),
    -1: "weak dull silly slow predictable clumsy flat tired forgettable boring".split(),
    -2: "awful terrible dreadful unbearable horrible pathetic atrocious laughable".split(),
}
ASPECTS = (
    "the plot", "the script", "the acting", "the ending", "the first half", "the dialogue", "the music", "the pacing",
    "the camera work", "the main character", "every scene with the villain", "the love story", "the humour",
)  # fmt: skip
NAMES = ("José Álvarez", "Zoë Brontë", "Anna Kowalska", "Jürgen Groß", "Mary Stone", "Chloé Dubois", "Tom Hill")
PLACES = ("Paris", "a small café", "São Paulo", "the desert", "a submarine", "Vermont", "an old theatre")
REMARKS = (
    "It is about a {job} who travels to {place} and meets a {job}",
    "{name} plays a {job}",
    "I saw it with my {relative} on {day}",
    "The story takes place in {place}",
    "{name} directed it and {name} wrote the music",
    "My {relative} had read the book before 🎬",
    "It runs for about two hours",
    "We had popcorn 🍿 and sat near {name}",
    "There is a {job}, a {job} and a dog",
)
JOBS = ("detective", "teacher", "pianist", "soldier", "doctor", "thief", "farmer", "clown")
RELATIVES = ("sister", "father", "wife", "husband", "naïve cousin", "flatmate")
DAYS = ("Sunday", "a rainy evening", "television", "the plane", "my birthday")
VERDICTS = {
    3: ("I loved it", "I would watch it again", "go and see it", "it was worth every minute", "I can recommend it"),
    -3: ("I hated it", "I would not watch it again", "do not see it", "it was not worth a minute", "avoid it"),
}


class Critic:
    """Writes reviews; the same ones for the same seed on every platform and Python version."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 (of all its methods, the one whose stream is fixed)

    def review(self, label: int) -> str:
        """Writes a review whose opinions add up to a label: 0 negative, 1 positive."""
        while True:
            text, score = self._draft()
            if score and (score > 0) == bool(label) and len(text.split()) in WORDS:
                return text

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return self._random() < probability

    def _pick(self, options: Sequence[T]) -> T:
        return options[int(self._random() * len(options))]

    def _draft(self) -> tuple[str, int]:
        sentences, total = [], 0
        while not sentences or self.chance(0.82):
            sentence, score = (self._remark(), 0) if self.chance(0.4) else self._opinion()
            sentences.append(sentence)
            total += score
        if self.chance(0.3):
            score = self._pick((3, -3))
            sentences.append(f"{self._pick(('All in all', 'In the end', 'Still'))}, {self._pick(VERDICTS[score])}")
            total += score
        text = ""
        for sentence in sentences:
            text += sentence[0].upper() + sentence[1:] + self._pick((". ", ". ", ". ", "! ", "... ", ".<br /><br />"))
        return text.strip(), total

    def _remark(self) -> str:
        sentence = self._pick(REMARKS)
        kinds = {"name": NAMES, "place": PLACES, "job": JOBS, "relative": RELATIVES, "day": DAYS}
        for kind, options in kinds.items():
            while "{" + kind + "}" in sentence:
                sentence = sentence.replace("{" + kind + "}", self._pick(options), 1)
        return sentence

    def _opinion(self) -> tuple[str, int]:
        clause, score = self._clause()
        if self.chance(0.3):
            other, _ = self._clause()
            return self._pick((f"{other}, but {clause}", f"although {other}, {clause}")), score
        return clause, score

    def _clause(self) -> tuple[str, int]:
        strength = self._pick(list(OPINIONS))
        word = self._pick(OPINIONS[strength])
        aspect = self._pick(ASPECTS)
        if self.chance(0.25):
            return f"{aspect} was {self._pick(('not', 'never', 'hardly', 'anything but'))} {word}", -strength
        return f"{aspect} was {self._pick(('', 'really ', 'very ', 'quite ', 'just '))}{word}", strength


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Prepares the corpus through TFDS, as IMDB is."""

    name = "synthetic_reviews"
    VERSION = tfds.core.Version("1.0.0")  # counts up whenever the grammar changes, so that no old text is read

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["neg", "pos"])}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {split: self._generate_examples(seed, SIZES[split]) for seed, split in enumerate(SIZES)}

    def _generate_examples(self, seed: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        critic = Critic(seed)
        for i in range(count):
            label = i % 2
            text = critic.review(label)
            yield i, {"text": text, "label": 1 - label if critic.chance(NOISE) else label}


def open_synthetic() -> Corpus:
    """Opens the generated reviews; on first use writes them into the cache folder, in about a second."""
    builder = Builder(data_dir=cache_dir() / "synthetic")
    if not builder.data_path.exists():
        prepare(builder, "IMDB_JAX_CACHE")
    return open_prepared(builder.data_path)
