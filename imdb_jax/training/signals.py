"""SIGINT and SIGTERM end a run after its state is saved."""

import logging
import signal
from types import FrameType

from imdb_jax.training.processes import largest

log = logging.getLogger(__name__)


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """A signal ended training, after its state was saved."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"{signal.Signals(signum).name}: stopped; run the same command again to go on")
        self.exit_code = 128 + signum


class StopSignal:
    """Inside `with`, the first SIGINT or SIGTERM asks for a stop; the second stops at once.

    Raises:
      Interrupted: at the end of `with`, where a signal came and nobody has asked since.
    """

    signum = 0

    def asked(self) -> int:
        """The signal that came to any of several processes, or 0; all must ask at the same time."""
        return largest(self.signum)

    def __enter__(self) -> "StopSignal":
        self._before = {signum: signal.signal(signum, self._ask) for signum in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        if kind is None and (signum := self.asked()):
            raise Interrupted(signum)

    def _ask(self, signum: int, _: FrameType | None) -> None:
        self.signum = signum
        log.warning("%s: saving a checkpoint; once more stops at once", signal.Signals(signum).name)
        for handled in self._before:
            signal.signal(handled, signal.SIG_DFL)
