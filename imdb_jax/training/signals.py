"""Signals end a run after its state is saved, in a command and in other people's programs."""

import logging
import signal
import threading
from types import FrameType

from imdb_jax.training.processes import exchange

log = logging.getLogger(__name__)

AT_ONCE = (signal.SIGINT, signal.SIGTERM)  # when they come twice
# A terminal that closes and schedulers send these, more than once; Windows has none of them.
REPEATED = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGXCPU") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """A signal ended training, after its state was saved. As KeyboardInterrupt it ends loops over many runs too."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"{signal.Signals(signum).name}: stopped; run the same command again to go on")
        self.exit_code = 128 + signum


class StopSignal:
    """Inside `with`, in the main thread, the first signal asks for a stop; a second SIGINT or SIGTERM is as if outside.

    A signal that is ignored stays so, and one that the program handles itself is left to it, but for SIGINT. In other
    threads Python handles no signals.

    Raises:
      Interrupted: at the end of `with`, where a signal came and nobody has asked since.
    """

    signum = 0

    def asked(self) -> int:
        """The signal that came to any of several processes, or 0; all must ask at the same time."""
        return max(exchange(int(self.signum)))

    def __enter__(self) -> "StopSignal":
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            handlers = {signum: signal.getsignal(signum) for signum in (*AT_ONCE, *REPEATED)}
            self._before = {
                signum: signal.signal(signum, self._ask)
                for signum, handler in handlers.items()
                if handler is signal.SIG_DFL or (signum == signal.SIGINT and callable(handler))
            }
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._put_back(*self._before)
        if kind is None and (signum := self.asked()):
            raise Interrupted(signum)

    def _ask(self, signum: int, _: FrameType | None) -> None:
        if not self.signum:
            log.warning("%s: saving a checkpoint; once more stops at once", signal.Signals(signum).name)
        self.signum = signum
        self._put_back(*AT_ONCE)

    def _put_back(self, *signums: int) -> None:
        for signum in signums:
            if signum in self._before:
                signal.signal(signum, self._before[signum])
