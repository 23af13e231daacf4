"""Where the stream stands, for people: what its checkpoint and its lock say."""

from __future__ import annotations

from typing import Any

from checkpoints.lock import LockView
from checkpoints.rebuilding import Fault, Finding, examine, find_set_aside
from checkpoints.spark_checkpoint import DamagedCheckpointError, SparkCheckpoint, checkpoint_path
from lake.reading import Files
from lake.settings import Settings


def describe_checkpoint(files: Files, settings: Settings) -> list[tuple[str, Any]]:
    """List where the stream stands, as names and values; a damaged checkpoint is no error.

    What cannot be read of a damaged one is None.
    """
    checkpoint = SparkCheckpoint(files, checkpoint_path(settings))
    holder = LockView(files, settings).live_holder()
    found = examine(files, checkpoint)
    return [
        ("stream", f"running: {holder}" if holder else "not running"),
        ("checkpoint", checkpoint.path),
        ("condition", _condition(found, there=bool(files.list(checkpoint.path)))),
        ("newest batch planned", max(checkpoint.planned(), default=None)),
        ("newest batch committed", max(checkpoint.committed(), default=None)),
        *_describe_files(checkpoint, found),
        ("bytes", checkpoint.bytes()),
        *(
            ("set aside", f"{info.name} ({SparkCheckpoint(files, info.path).bytes():,} bytes)")
            for info in find_set_aside(files, settings)
        ),
    ]


def _condition(found: Finding, *, there: bool) -> str:
    if not there:
        return "none: the next start begins a fresh one"
    if found.fault is None:
        return "sound"
    if found.fault is Fault.NEWER:
        return f"of no use here: {found.why}"
    return f"{found.fault}: {found.why}; the next start sets it aside and begins a fresh one"


def _describe_files(checkpoint: SparkCheckpoint, found: Finding) -> list[tuple[str, Any]]:
    in_hand = checkpoint.batch_in_hand()
    try:
        files = [] if in_hand is None else checkpoint.files_of(in_hand)
    except DamagedCheckpointError:
        files = []
    return [
        ("batch in hand", in_hand),
        *(("file in hand", file.path.rsplit("/", 1)[-1]) for file in files),
        ("files seen", None if found.fault else len(found.seen)),
    ]
