"""A small, fast JAX/Flax trainer for sentiment classification of the IMDB movie reviews."""

import signal
import sys

__version__ = "0.1.0"

# "-m": Python looks for the command to run. A KeyboardInterrupt would be printed with a traceback while it imports, or
# lost where JAX is called back by the garbage collector; the signal itself ends the process, with 130 in a shell.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
