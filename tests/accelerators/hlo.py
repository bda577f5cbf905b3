"""Facts read from the text of a compiled XLA program."""

import math
import re

BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
COLLECTIVE = re.compile(r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(-start)?\(")
PRODUCT = re.compile(r" (dot|convolution)\(|custom_call_target=\"__(cublas|cudnn)\$")  # by XLA or by CUDA's libraries
SHAPE = re.compile(rf"\b({'|'.join(BYTES)})\[([\d,]*)\]")


class Program:
    """A compiled program.

    Attributes:
      collectives: (kind, bytes of its results, loops around it) of each.
      innermost: names of the bodies of loops that hold no loop.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, list[str]] = {}
        entry, current = "", ""
        for line in text.splitlines():
            if head := re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{$", line):
                current = head[2]
                self._lines[current] = []
                entry = current if head[1] else entry
            elif current and line.startswith("  "):
                self._lines[current].append(line)
        self.collectives: list[tuple[str, int, int]] = []
        self.innermost: list[str] = []
        self._walk(entry, 0)

    def products(self, name: str) -> int:
        """Matrix products in a computation and in what it calls."""
        own = sum(bool(PRODUCT.search(line)) for line in self._lines[name])
        return own + sum(self.products(called) for line in self._lines[name] for called in _called(line))

    def _walk(self, name: str, depth: int) -> bool:
        """Collects what a computation holds; returns whether there is a loop in it."""
        looping = False
        for line in self._lines[name]:
            if body := re.search(r" while\(.*body=%?([\w.\-]+)", line):
                looping = True
                if not self._walk(body[1], depth + 1):
                    self.innermost.append(body[1])
            elif found := COLLECTIVE.search(line):
                results = line[: found.start()]
                if found[2] and found[1] != "all-reduce":  # its results come after its operands
                    results = results[SHAPE.search(results).end() :]
                self.collectives.append((found[1], _bytes(results), depth))
            else:
                for called in _called(line):
                    looping |= self._walk(called, depth)
        return looping


def _called(line: str) -> list[str]:
    """Computations that an operation calls, those of loops aside."""
    if " while(" in line:
        return []
    several = re.findall(r"branch_computations=\{([^}]*)\}", line)
    one = re.findall(r"(?:calls|to_apply|true_computation|false_computation)=(%?[\w.\-]+)", line)
    return re.findall(r"[\w.\-]+", " ".join(several + one))


def _bytes(shape: str) -> int:
    """Size of an array or a tuple of arrays."""
    return sum(BYTES[dtype] * math.prod(int(d) for d in dims.split(",") if d) for dtype, dims in SHAPE.findall(shape))
