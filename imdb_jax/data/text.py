"""Review -> words, on bytes, by the rules of Keras' TextVectorization.

Only ASCII letters are lowered and only ASCII punctuation is deleted, as TensorFlow does by default: "É" and "é" stay
two letters, and so every id equals Keras'. Bytes that are not UTF-8 pass through untouched.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the reader of exported models has no such class, only its fields
    from imdb_jax.config import TextConfig

BREAK = re.compile(rb"<br\s*/?>", re.IGNORECASE)  # <br>, <br/>, <br />
PUNCTUATION = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
MARKS = tuple(bytes([mark]) for mark in b'.,!?;:()"-/*')  # that may be words
MARK = re.compile(rb'([.,!?;:()"\-/*])')
CHARACTER = re.compile(  # of UTF-8; of other bytes each is one
    rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}|.", re.DOTALL
)
SPACE = "▁".encode()  # the character that white space is read as, as in SentencePiece: no token holds white space


def split_words(review: bytes, config: "TextConfig") -> list[bytes]:
    """Lowers, deletes punctuation or makes words of it, and splits on ASCII white space; of words, their characters.

    Example: `b"It's <br />GOOD!"` gives `[b"its", b"br", b"good"]`, or with `break_tags_as_spaces` and
    `keep_apostrophes` `[b"it's", b"good"]`, and `b"!"` too where punctuation is "words". `"좋은 영화"` gives the
    characters ▁ 좋 은 ▁ 영 화.
    """
    review = review.lower()
    if config.break_tags_as_spaces:
        review = BREAK.sub(b" ", review)
    if config.punctuation == "words" and config.unit == "words":
        for mark in MARKS:
            review = review.replace(mark, b" " + mark + b" ")
    deleted = PUNCTUATION if config.punctuation == "delete" else b"'"
    words = review.translate(None, deleted.rstrip(b"'") if config.keep_apostrophes else deleted).split()
    return words if config.unit == "words" else CHARACTER.findall(b"".join(SPACE + word for word in words))


def split_written(review: bytes, config: "TextConfig") -> list[tuple[bytes, bytes]]:
    """Splits a review where `split_words` does: each part as it was written, and its word, empty for punctuation alone.

    Example: `b"It's - GOOD!"` gives `[(b"It's", b"its"), (b"-", b""), (b"GOOD!", b"good")]`.
    """
    if config.break_tags_as_spaces:
        review = BREAK.sub(b" ", review)
    if config.unit == "characters":
        found = []
        for part in review.split():
            read = [(character, split_words(character, config)[1:]) for character in CHARACTER.findall(part)]
            found += [(b" ", SPACE)] if any(word for _, word in read) else []
            found += [(character, b"".join(word)) for character, word in read]
        return found
    if config.punctuation == "words":
        review = MARK.sub(rb" \1 ", review)
    return [(part, b"".join(split_words(part, config))) for part in review.split()]
