r"""Write text_vectorization.json: what Keras' TextVectorization does to difficult texts.

Regenerate with

    pip install tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6    # Python 3.11, CPU
    python tests/golden/generate_text.py

The layer keeps its defaults (lower and strip punctuation, split on white space, integer ids), with
ragged output so that no id is padding.  The file holds

    versions   {"python", "tensorflow", "keras", "numpy"}
    texts      base64 of every text's bytes; the layer is fitted on all of them
    cases      one for each max_tokens (null, 12, 60):
        max_tokens   the limit, counting '' and '[UNK]'
        vocabulary   base64 of every token's bytes, in the order of their ids
        ids          for every text, its list of ids

Some texts are not valid UTF-8.  Keras fits and encodes them, but get_vocabulary() fails to decode
them, so the vocabulary is exported from the layer's lookup table as bytes.
"""

import base64
import json
import platform
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

OUTPUT = Path(__file__).with_name("text_vectorization.json")
LIMITS = (None, 12, 60)

REVIEWS = [
    "This movie was great, and the acting was even better.",
    "I hated it. The plot was thin, the jokes were old and the ending was a mess.",
    "Not the best film of the year - but not the worst, either!",
    "A slow, slow, slow film; I fell asleep twice before the second act.",
    "The director's cut is the one to see: it's longer, darker and far better paced.",
    "Don't waste your time. You can't get those two hours back, and you'll want them.",
    "10/10. Would watch again (and again, and again...)",
    "What a mess of a movie. Even the soundtrack, by a composer I love, was dull.",
    'She said "never again" and I said "me neither".',
    "The cast is GREAT, the script is NOT.",
    "the the the the and and and a a of of to",
    "An under-rated, well-made B-movie from the 1970's with $3 effects & 100% heart.",
    "I laughed, I cried, I checked my watch.",
    "It was the best of films, it was the worst of films.",
    "The book was better, as the book always is.",
    "Two stars: one for the dog, one for the end credits.",
    "My kids loved it, my wife liked it and I did not mind it at all.",
    "Great photography of the sea and the sky, but no story to speak of.",
    "If you liked the first one, you will like this one; if you did not, you will not.",
    "Rent it, don't buy it!",
    "contact me at someone@example.com or http://www.example.com/reviews?id=1#top",
    "self.assertEqual(a_b, c^d) ~ `code` {x} [y] |z| <w> \\v\\",
]
TAGS = [
    "Great start.<br /><br />Terrible end.",
    "<br /><br />",
    "good<br />bad",
    "good <br/> bad <BR> ugly<br",
    "br br brbr br",
]
# One character between two letters, in every position a word can hold it.
ASCII = [" ".join(f"a{chr(c)}b" for c in range(start, start + 8)) for start in range(0, 128, 8)]
CONTROLS = [f"x{chr(c)}y {chr(c)}z w{chr(c)}" for c in (*range(33), 127)]
EDGES = [
    "",
    " ",
    "\t\n\v\f\r ",
    "\0",
    "\0\0 \0",
    "!?.,;:",
    "... --- ... !!!",
    "'",
    "''quoted'' 'tis rock'n'roll dogs' o'clock",
    "[UNK] UNK unk <pad> [MASK]",
    "  leading and trailing  ",
    "tabs\tand\nnew\r\nlines\x0band\x0cfeeds\x1cand\x1dseparators\x1e!\x1f",
    "w" + "o" * 3000 + "w",
    "WO" * 300,
]
# Equal counts, shuffled: with these the order shows how ties are broken.
TIES = [
    "zeta alpha mu beta omega kappa",
    "mu omega beta zeta kappa alpha",
    "kappa mu zeta alpha omega beta",
    "t tt ttt tttt t1 t2 t10 t-2 t_3",
    "café cafe cafz cafÿ caf",
    "solo duet trio quartet quintet sextet septet octet nonet",
]
UNICODE = [
    "ÉCOLE École école e\u0301cole E\u0301COLE",
    "ÜBER Über über u\u0308ber U\u0308BER",
    "STRASSE STRAßE Straße strasse ẞ",
    "İSTANBUL Istanbul \u0131stanbul i\u0307stanbul",
    "ΣΊΣΥΦΟΣ σίσυφος Σ σ ς",
    "ПРИВЕТ Привет привет",
    "ÅNGSTRÖM A\u030angstro\u0308m \u212bngström \u212aelvin",
    "naïve façade jalapeño — “curly” \u2018quotes\u2019 don\u2019t… ¿qué? ¡no! «oui»",
    "\uff21\uff22\uff23 \uff01\uff1f \ufb01lm \ufb01LM",
    "I loved it 😀😀 👍🏽! 👨\u200d👩\u200d👧 family ❤\ufe0f ❤",
    "这部电影很好看。我喜欢!",
    "映画は最高でした、また見たい。 カタカナ ｶﾀｶﾅ",
    "이 영화는 정말 재미있었다! \u1112\u1161\u11ab\u1100\u1173\u11af 한글",
    "هذا الفيلم رائع، أحببته؟ ١٢٣",
    "שלום עולם नमस्ते दुनिया สวัสดี",
    "no\u00a0break \u00a0 space\u00a0",
    "next\u0085line \u0085",
    "line\u2028separator paragraph\u2029separator \u2028",
    "wide\u3000space \u3000",
    "zero\u200bwidth \u200b joiner\u200d word\u2060joiner soft\u00adhyphen",
    "\ufeffbyte order mark",
    "thin\u2009space em\u2003space ogham\u1680space hair\u200aspace",
    "\U0001f600\U00010400\U00010428 \U0001d400 \uffff \U0010ffff",
    "right\u202eto\u202cleft",
]
INVALID = [
    b"\xff",
    b"a\xffb \xff \xfe!",
    b"caf\xe9 CAF\xc9 latin one",
    b"truncated \xe2\x82 euro \xe2! end \xc3",
    b"\xf0\x9f\x98 \xf0\x9f\x98? smile",
    b"overlong \xc0\xaf \xc1\x81 surrogate \xed\xa0\x80",
    b"too high \xf4\x90\x80\x80 stray \x80 \xbf, \x80A\x85B\xa0C",
]


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def vocabulary(layer: keras.layers.TextVectorization) -> list[bytes]:
    """The tokens as bytes, in the order of their ids; the table omits the first two."""
    tokens, ids = layer._lookup_layer.lookup_table.export()
    return [b"", b"[UNK]", *tokens.numpy()[np.argsort(ids.numpy())].tolist()]


def case(texts: list[bytes], max_tokens: int | None) -> dict:
    layer = keras.layers.TextVectorization(max_tokens=max_tokens, output_mode="int", ragged=True)
    layer.adapt(tf.data.Dataset.from_tensor_slices(texts).batch(32))
    return {
        "max_tokens": max_tokens,
        "vocabulary": [encode(token) for token in vocabulary(layer)],
        "ids": layer(tf.constant(texts)).to_list(),
    }


def main() -> None:
    valid = REVIEWS + TAGS + ASCII + CONTROLS + EDGES + TIES + UNICODE
    texts = [text.encode("utf-8") for text in valid] + INVALID
    golden = {
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
        "texts": [encode(text) for text in texts],
        "cases": [case(texts, max_tokens) for max_tokens in LIMITS],
    }
    OUTPUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
