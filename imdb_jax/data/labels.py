"""What people write for negative and positive, made 0 and 1."""

import re
from typing import Any, NamedTuple

from imdb_jax.config import DataConfig
from imdb_jax.errors import UserError

NEGATIVE = ("0", "neg", "negative", "false")
POSITIVE = ("1", "pos", "positive", "true")
UNLABELLED = "unsup"  # the folder of IMDB's reviews without a label


class LabelRule(NamedTuple):
    """Which labels are negative, which positive, and which reviews are left out; each as `canonical` spells it."""

    negative: tuple[str, ...]
    positive: tuple[str, ...]
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, config: DataConfig) -> "LabelRule":
        """The rule of a config: its own labels, or the common ones unless it names any."""
        negative, positive, left_out = (
            tuple(map(canonical, labels))
            for labels in (config.negative_labels, config.positive_labels, config.left_out_labels)
        )
        rule = cls(negative or NEGATIVE, positive or POSITIVE, left_out)
        named = [label for labels in rule for label in labels]
        if twice := [label for label in named if named.count(label) > 1]:
            advice = "name each in one of data.negative_labels, data.positive_labels, data.left_out_labels"
            raise UserError(f"data: the label {twice[0]!r} has two meanings; {advice}")
        return rule

    def label(self, value: str) -> int | None:
        """0, 1, or None for what is neither."""
        return 0 if value in self.negative else 1 if value in self.positive else None

    def meaning(self, value: str) -> str:
        """What a label is taken for."""
        label = self.label(value)
        return "left out" if label is None else ("negative", "positive")[label]

    def __str__(self) -> str:
        sides = [f"negative is {', '.join(self.negative)}", f"positive {', '.join(self.positive)}"]
        return "; ".join([*sides, *([f"left out {', '.join(self.left_out)}"] if self.left_out else [])])


def canonical(value: Any) -> str:
    """One spelling of a label that files spell in several ways.

    Example: `1`, `1.0`, `" 1.0 "` are "1"; `True` is "true", `None` and NaN are "".
    """
    if value is None or value != value:
        return ""
    text = str(value).strip().lower()
    return re.sub(r"^(-?\d+)\.0*$", r"\1", text)
