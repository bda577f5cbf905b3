"""The one exception that a user's mistake raises, and the exit codes that commands end with."""

USAGE = 2
BAD_DATA = 65
MISSING_INPUT = 66
INTERNAL = 70
LOCKED = 73
IO_FAILED = 74

LONGEST = 2_000  # characters of a message


class UserError(Exception):
    """Something the user can put right: shown as one line without a traceback.

    Args:
      message: `<file>[:line]` or `<field>`, what is wrong, what is allowed or the fix. What it quotes may be anything:
        line breaks become spaces, and the middle of a long message is left out.
      exit_code: what the command exits with; `sysexits.h` numbers, 2 for usage and config.
    """

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        line = " ".join(message.splitlines())
        if len(line) > LONGEST:
            line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
        super().__init__(line)
        self.exit_code = exit_code
