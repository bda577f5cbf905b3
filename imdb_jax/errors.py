"""The one exception that a user's mistake raises, and the exit codes that commands end with."""

USAGE = 2
BAD_DATA = 65
MISSING_INPUT = 66
INTERNAL = 70
LOCKED = 73
IO_FAILED = 74


class UserError(Exception):
    """Something the user can put right: shown as one line without a traceback.

    Args:
      message: `<file>[:line]` or `<field>`, what is wrong, what is allowed or the fix; names of files and columns may
        bring line breaks, which become spaces.
      exit_code: what the command exits with; `sysexits.h` numbers, 2 for usage and config.
    """

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        super().__init__(" ".join(message.splitlines()))
        self.exit_code = exit_code
