"""Show the help of commands, each in a fork of this process, which has shown one before.

What all commands load is loaded by then, so that a fork takes what is left: to load what only its
own command loads, and to write. Each line on standard input is a command's words as JSON. The fork
answers with what it wrote and loaded, and then this process with how it ended and what it took.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from flo.__main__ import main as flo


def show(words: list[str]) -> tuple[str, str]:
    """Show a command's help; return what was written as output and as errors."""
    sys.argv = ["flo", *words, "--help"]
    with redirect_stdout(StringIO()) as output, redirect_stderr(StringIO()) as errors:
        try:
            flo()
        except SystemExit as ended:
            if ended.code:
                raise
    return output.getvalue(), errors.getvalue()


def main() -> None:
    """Show the help of the command that is named as arguments, then answer the lines."""
    show(sys.argv[1:])
    while line := sys.stdin.readline():
        if not (fork := os.fork()):
            output, errors = show(json.loads(line))
            print(json.dumps([output, errors, list(sys.modules)]), flush=True)
            os._exit(0)  # what is tidied up is the same for all
        _, status, used = os.wait4(fork, 0)
        print(json.dumps([status, used.ru_utime + used.ru_stime]), flush=True)


if __name__ == "__main__":
    main()
