"""``python -m tests.mutants [WORD …]``: break each guard, run the tests that should notice, report.

All in one process with one Spark session: a test costs what it costs there, not a start as well.
"""

from __future__ import annotations

import sys
import time

import pytest

from tests.mutants.mutation import AnchorError, Mutant, read_list

# In the place of those in pyproject.toml, of which some are the terminal's.
_OPTIONS = (
    *("-o", "addopts=--strict-markers --import-mode=importlib -p no:cacheprovider"),
    *("-p", "no:terminal", "-p", "no:xdist", "--capture=sys"),
    # What a test leaves open that a broken guard has ended is not the next one's fault.
    *("-p", "no:unraisableexception"),
)


class Trial:
    """Runs each mutant's tests: once as the code is, and with each guard broken."""

    def __init__(self, mutants: list[Mutant]) -> None:
        self._mutants = mutants
        self._failed = False
        self._sound: dict[str, bool] = {}
        self.noticed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that the test in hand failed, in set-up or call."""
        self._failed = self._failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of pytest's own loop."""
        items = {item.nodeid: item for item in session.items}
        for number, mutant in enumerate(self._mutants, 1):
            began = time.monotonic()
            tests = [item for test in mutant.tests for item in _find(items, test)]
            sound = all(self._is_sound(item) for item in tests)
            with mutant.applied():
                noticed = any(self._fails(item) for item in tests)
            verdict = "noticed" if sound and noticed else "NOT NOTICED" if sound else "FAILS ANYWAY"
            self.noticed += verdict == "noticed"
            seconds = time.monotonic() - began
            print(f"{number:3} {verdict:12} {seconds:6.1f} s  {mutant.name}", flush=True)
        _run(session.items[0], None)  # tears down what the session has kept
        return True

    def _is_sound(self, item: pytest.Item) -> bool:
        """Tell whether a test passes as the code is; each is tried once."""
        if item.nodeid not in self._sound:
            self._sound[item.nodeid] = not self._fails(item)
            if not self._sound[item.nodeid]:
                print(f"fails as the code is: {item.nodeid}", flush=True)
        return self._sound[item.nodeid]

    def _fails(self, item: pytest.Item) -> bool:
        """Run a test with fixtures of its own but for the session's; tell whether it failed."""
        self._failed = False
        _run(item, _Elsewhere.from_parent(item.session, name="elsewhere"))
        return self._failed


def _find(items: dict[str, pytest.Item], named: str) -> list[pytest.Item]:
    """All tests of a name in the list: one, those of its parameters, or a whole file's."""
    return [
        item
        for name, item in items.items()
        if name == named or name.startswith((f"{named}[", f"{named}::"))
    ]


class _Elsewhere(pytest.Item):
    """A test in no module: pytest tears down what the one before it does not share with it."""

    def runtest(self) -> None:
        """Never run."""


def _run(item: pytest.Item, following: pytest.Item | None) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def main(words: list[str]) -> int:
    """Try the mutants whose names have one of the words, or all; return 1 where one passed."""
    mutants = [each for each in read_list() if not words or any(w in each.name for w in words)]
    try:
        for each in mutants:
            each.mutated()
    except AnchorError as error:
        print(f"{error} Mend tests/mutants.toml.", file=sys.stderr)
        return 2
    trial = Trial(mutants)
    tests = sorted({test for each in mutants for test in each.tests})
    code = pytest.main([*_OPTIONS, *tests], [trial])
    if code not in (0, 1):
        print("The tests could not be run; are all that the list names there?", file=sys.stderr)
        return 2
    print(f"{trial.noticed} of {len(mutants)} noticed.")
    return 0 if trial.noticed == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
