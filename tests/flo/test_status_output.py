"""What people and programs read of a look at the lake."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from batch.standing.accounts import Pending
from batch.standing.advice import advise
from batch.standing.flow import OnItsWay
from batch.standing.lake import Batch, Kpis, Share, Standing
from flo.status_output import age, draw_status, size_in_words, status_rows
from flo.watch_output import Screen, draw_drops, print_new
from lake.errors import ServiceError
from lake.reading import Lake
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER
from tests.batch.standings import NOW, MemoryTables, account, standing, state
from tests.checkpoints.local_files import LocalFiles

SETTINGS = Settings(spark={"spark.my.password": "hunter2", "spark.plain": "yes"})
BUSY = standing(
    pending=Pending(3, 1_234_567, NOW - timedelta(minutes=3)),
    last_batch=Batch(11, 2, 1234, 3.0, NOW - timedelta(seconds=20)),
    ever=Share({"ingested": 21, "rejected": 1}, 2000, 50),
    last_day=Share({"ingested": 2}, 1000, 5),
    rows={FEATURES: 5000, LEDGER: 22},
    kpis=Kpis(2, NOW - timedelta(hours=3)),
)
OUTCOMES = ("inserted", "updated", "unchanged", "stale", "superseded", "quarantined")


def drawn(what: RenderableType, *, width: int = 100, height: int = 40) -> str:
    """Draw as on a terminal of that size."""
    out = StringIO()
    Console(file=out, width=width, height=height, emoji=False).print(what)
    return out.getvalue()


def full_account(name: str, **values: object) -> dict[str, object]:
    """Account for a drop with all that a screen shows."""
    counts = {f"rows_{word}": 0 for word in OUTCOMES} | {"rows_inserted": 9}
    return account(name, **{"reason": None, **counts, **values})


def screen(at: Standing) -> str:
    """Draw the status."""
    return drawn(draw_status(at, SETTINGS, advise(at)))


def test_the_screen_says_all_of_the_issue() -> None:
    """Stream, batch, pending, day, quarantine, KPIs, tables and what is next: one screen."""
    text = " ".join(screen(BUSY).split())
    for words in (
        "running since",
        "(5 h): ada on far, process 7",
        "11: 2 drops, 1,234 rows in 3.0 s (411 rows a second), 20 s ago",
        "3 drops wait (1.2 MB), the oldest for 3 min",
        "2 ingested, 0 duplicate, 0 rejected; 0.50% of 1,000 rows in quarantine",
        "of features version 2; the features are at 3",
        "customer_features 3 5,000 2 2.0 kB 1 h ago (merge)",
        "→ The KPIs are older than the features: flo kpis",
    ):
        assert words in text
    assert len(screen(BUSY).splitlines()) < 24


def test_all_is_well_is_said_too() -> None:
    """No news is no answer: a screen without advice says that nothing needs doing."""
    assert "Nothing needs doing." in screen(standing())
    assert "`flo audit` was not asked" in screen(standing(audited=False))


def test_no_secret_and_no_control_character_is_shown() -> None:
    """A setting that names a secret has no value; what others wrote cannot steer the terminal."""
    rows = dict(status_rows(BUSY, SETTINGS, []))
    assert rows["spark.spark.my.password"] == "*** (redacted)"
    assert rows["spark.spark.plain"] == "yes"
    assert "hunter2" not in screen(BUSY)
    table = draw_drops(BUSY, [OnItsWay("\x1b[2Jx.csv", 1, NOW, in_hand=False)], [], 5)
    assert "\x1b[2J" not in drawn(table)


def test_the_rows_of_before_are_still_there() -> None:
    """Programs find what they found: names and values of earlier versions stay."""
    rows = dict(status_rows(BUSY, SETTINGS, advise(BUSY)))
    assert rows["stream"].startswith("running: ada on far")
    assert (rows["pending files"], rows["pending bytes"]) == (3, 1_234_567)
    assert rows["oldest pending since"] == NOW - timedelta(minutes=3)
    assert [rows[f"drops {each}"] for each in ("ingested", "duplicate", "rejected")] == [21, 0, 1]
    assert {"root", "last drop", "last drop became", "last drop at"} <= set(rows)
    assert (rows["features version"], rows["KPIs of features version"]) == (3, 2)


def test_the_rows_name_what_is_new() -> None:
    """Each figure of the screen is there for programs, as a plain number or time."""
    rows = dict(status_rows(BUSY, SETTINGS, advise(BUSY)))
    assert rows["oldest pending seconds"] == 180
    assert rows["rows a second"] == pytest.approx(1234 / 3)
    assert rows["quarantine share in 24 h"] == 0.005
    assert (rows["customer_features rows"], rows["customer_features bytes"]) == (5000, 2048)
    assert rows["to do"] == ["The KPIs are older than the features: `flo kpis`"]
    assert dict(status_rows(standing(), SETTINGS, []))["to do"] == []


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (2**40, "1.1 TB")],
)
def test_sizes_are_written_with_units(count: int, words: str) -> None:
    """Bytes are counted in thousands, and rounded up into the next unit."""
    assert size_in_words(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (172_800, "2 d")],
)
def test_ages_have_one_unit(seconds: int, words: str) -> None:
    """A clock that is behind another machine's gives no negative age."""
    assert age(NOW, NOW - timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("lines", "waiting", "done"), [(10, 30, 30), (10, 30, 2), (10, 1, 30), (3, 0, 0)]
)
def test_drops_fit_the_screen(lines: int, waiting: int, done: int) -> None:
    """However many there are, no more lines are drawn than fit, and both kinds are seen."""
    ahead = [OnItsWay(f"w{at}.csv", 1, NOW, in_hand=at == 0) for at in range(waiting)]
    behind = [{**full_account(f"d{at}.csv"), "file": f"d{at}.csv"} for at in range(done)]
    text = drawn(draw_drops(BUSY, ahead, behind, lines))
    assert text.count(".csv") == min(lines, waiting + done)
    assert ("w0.csv" in text) == (waiting > 0)
    assert ("d0.csv" in text) == (done > 0)


def test_each_drop_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal each account is a line, the oldest first, and none comes twice."""
    rows = [full_account("b.csv"), full_account("a.csv", state="rejected", reason="empty_file: x")]
    lake = Lake(LocalFiles(), MemoryTables({LEDGER: rows}, {}))
    seen: set[tuple[object, ...]] = set()
    print_new(lake, Settings(root="/no/such"), seen)
    print_new(lake, Settings(root="/no/such"), seen)
    assert [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()] == [
        "a.csv  rejected: empty_file: x",
        "b.csv  ingested: 10 rows: 9 inserted",
    ]


def test_a_watch_outlives_trouble() -> None:
    """While HDFS is away the screen says so above what was seen last, and then goes on."""
    lake = Lake(LocalFiles(), MemoryTables({LEDGER: [full_account("a.csv")]}, {LEDGER: state()}))
    down = ServiceError("HDFS does not answer.")
    answers = iter([lake, down, lake])

    def open_lake() -> Lake:
        answer = next(answers)
        if isinstance(answer, ServiceError):
            raise answer
        return answer

    watching = Screen(open_lake, Settings(root="/no/such"))
    first, trouble, after = (drawn(watching.draw(40)) for _ in range(3))
    assert "a.csv" in first
    assert "HDFS does not answer. Trying again." in trouble
    assert "a.csv" in trouble
    assert "HDFS" not in after
