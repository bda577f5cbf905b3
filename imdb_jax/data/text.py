"""Review -> words, on bytes, by the rules of Keras' TextVectorization.

Only ASCII letters are lowered and only ASCII punctuation is deleted, as TensorFlow does by default: "É" and "é" stay
two letters, and so every id equals Keras'. Bytes that are not UTF-8 pass through untouched.
"""

import re

from imdb_jax.config import TextConfig

BREAK = re.compile(rb"<br\s*/?>", re.IGNORECASE)  # <br>, <br/>, <br />
PUNCTUATION = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
MARKS = tuple(bytes([mark]) for mark in b'.,!?;:()"-/*')  # that may be words
MARK = re.compile(rb'([.,!?;:()"\-/*])')


def split_words(review: bytes, config: TextConfig) -> list[bytes]:
    """Lowers, deletes punctuation or makes words of it, and splits on ASCII white space.

    Example: `b"It's <br />GOOD!"` gives `[b"its", b"br", b"good"]`, or with `break_tags_as_spaces` and
    `keep_apostrophes` `[b"it's", b"good"]`, and `b"!"` too where punctuation is "words".
    """
    review = review.lower()
    if config.break_tags_as_spaces:
        review = BREAK.sub(b" ", review)
    if config.punctuation == "words":
        for mark in MARKS:
            review = review.replace(mark, b" " + mark + b" ")
        return review.translate(None, b"" if config.keep_apostrophes else b"'").split()
    deleted = PUNCTUATION.rstrip(b"'") if config.keep_apostrophes else PUNCTUATION
    return review.translate(None, deleted).split()


def split_written(review: bytes, config: TextConfig) -> list[bytes]:
    """Splits a review where `split_words` does, but keeps it as it was written.

    Each part holds one word, or none if it is punctuation alone.

    Example: `b"It's - GOOD!"` gives `[b"It's", b"-", b"GOOD!"]`.
    """
    if config.break_tags_as_spaces:
        review = BREAK.sub(b" ", review)
    if config.punctuation == "words":
        review = MARK.sub(rb" \1 ", review)
    return review.split()
