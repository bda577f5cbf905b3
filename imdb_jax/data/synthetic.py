"""A small generated corpus of film reviews, to try and to test the trainer without any download.

Reviews are written by a seeded grammar: opinions of different strength among neutral remarks. Negations flip an
opinion, only the half after "but" counts, and a closing verdict outweighs what was said before; the sign of the sum is
the label, and `NOISE` of the labels are wrong on purpose. So word counts alone tell part of the story: a logistic
regression on them gets 82 % of the test reviews right (tests/data/test_synthetic.py measures it), where reading
in order could reach 97 %.
"""

import hashlib
import random
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from imdb_jax.data.reviews import Corpus, Reviews

SIZES = {"train": 2_000, "test": 1_000}
NOISE = 0.03
WORDS = range(8, 121)  # allowed lengths of a review

OPINIONS = {
    2: ["brilliant", "wonderful", "superb", "unforgettable", "perfect", "masterful", "outstanding", "breathtaking"],
    1: ["good", "charming", "funny", "clever", "enjoyable", "pleasant", "solid", "touching", "likeable", "fresh"],
    -1: ["weak", "dull", "silly", "slow", "predictable", "clumsy", "flat", "tired", "forgettable", "boring"],
    -2: ["awful", "terrible", "dreadful", "unbearable", "horrible", "pathetic", "atrocious", "laughable"],
}
ASPECTS = (
    "the plot", "the script", "the acting", "the ending", "the first half", "the dialogue", "the music", "the pacing",
    "the camera work", "the main character", "every scene with the villain", "the love story", "the humour",
)  # fmt: skip
NEGATIONS = ("not", "never", "hardly", "anything but")
DEGREES = ("", "really ", "very ", "quite ", "just ")
REMARKS = (
    "It is about a JOB who travels to PLACE and meets a JOB",
    "NAME plays a JOB",
    "I saw it with my RELATIVE on DAY",
    "The story takes place in PLACE",
    "NAME directed it and NAME wrote the music",
    "My RELATIVE had read the book before 🎬",
    "It runs for about two hours",
    "We had popcorn 🍿 and sat near NAME",
    "There is a JOB, a JOB and a dog",
)
FILLINGS = {
    "NAME": ("José Álvarez", "Zoë Brontë", "Anna Kowalska", "Jürgen Groß", "Mary Stone", "Chloé Dubois", "Tom Hill"),
    "PLACE": ("Paris", "a small café", "São Paulo", "the desert", "a submarine", "Vermont", "an old theatre"),
    "JOB": ("detective", "teacher", "pianist", "soldier", "doctor", "thief", "farmer", "clown"),
    "RELATIVE": ("sister", "father", "wife", "husband", "naïve cousin", "flatmate"),
    "DAY": ("Sunday", "a rainy evening", "my birthday", "the second day of our holiday"),
}
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
            text, score = self._draft(1 if label else -1)
            if score and (score > 0) == bool(label) and len(text.split()) in WORDS:
                return text

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return self._random() < probability

    def _pick(self, options: Sequence[Any]) -> Any:
        return options[int(self._random() * len(options))]

    def _draft(self, mood: int) -> tuple[str, int]:
        """Some sentences, most of them of a mood, and the sum of their opinions."""
        sentences = []
        while not sentences or self.chance(0.82):
            sentences.append((self._remark(), 0) if self.chance(0.4) else self._opinion(mood))
        if self.chance(0.3):
            verdict = 3 * self._sign(mood)
            opening = self._pick(("All in all", "In the end", "Still", "As for me"))
            sentences.append((f"{opening}, {self._pick(VERDICTS[verdict])}", verdict))
        text = ""
        for sentence, _ in sentences:
            text += sentence[0].upper() + sentence[1:] + self._pick((". ", ". ", ". ", "! ", "... ", ".<br /><br />"))
        return text.strip(), sum(score for _, score in sentences)

    def _sign(self, mood: int) -> int:
        return mood if self.chance(0.8) else -mood

    def _remark(self) -> str:
        """A neutral sentence; each placeholder is filled on its own."""
        return re.sub("|".join(FILLINGS), lambda found: self._pick(FILLINGS[found[0]]), self._pick(REMARKS))

    def _opinion(self, mood: int) -> tuple[str, int]:
        clause, score = self._clause(self._sign(mood))
        if self.chance(0.2):
            other, _ = self._clause(-1 if score > 0 else 1)
            return self._pick((f"{other}, but {clause}", f"although {other}, {clause}")), score
        return clause, score

    def _clause(self, sign: int) -> tuple[str, int]:
        strength = sign * self._pick((1, 2))
        aspect = self._pick(ASPECTS)
        if self.chance(0.12):
            return f"{aspect} was {self._pick(NEGATIONS)} {self._pick(OPINIONS[-strength])}", strength
        return f"{aspect} was {self._pick(DEGREES)}{self._pick(OPINIONS[strength])}", strength


def write_corpus() -> Corpus:
    """Writes the corpus; it takes less time than reading it from disk would."""
    splits = []
    for seed, (split, size) in enumerate(SIZES.items()):
        critic = Critic(seed)
        texts, labels = [], []
        for i in range(size):
            label = i % 2
            texts.append(critic.review(label).encode())
            labels.append(1 - label if critic.chance(NOISE) else label)
        # Mixed by a hash of each number: the same order on every platform, and the one in which TFDS would keep them.
        order = sorted(range(size), key=lambda i: hashlib.md5(f"{split}{i}".encode()).digest())  # noqa: S324
        splits.append(([texts[i] for i in order], np.array(labels, np.int8)[order]))
    return Corpus(*(Reviews(lambda content=content: content) for content in splits))
