"""What ``spark-submit`` runs for the stream; ``flo stream`` starts exactly this."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # As in batch/kpis_job.py: not this script's folder, but the packages beside it (or in the zip).
    _here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _here]
    if (_here.parent / "lake").is_dir():
        sys.path.insert(0, str(_here.parent))

import argparse
import os

import structlog

from flo.logs import configure_java_logs, configure_logs


def main(arguments: list[str] | None = None) -> int:
    """Run the stream and return the exit code; an error is one sentence on standard error."""
    options = _parse(arguments)
    configure_logs()
    try:
        return _run(options)
    except Exception as error:
        from flo.failures import explain

        failure = explain(error)
        structlog.get_logger().error("failed", why=failure.message)
        if os.environ.get("FLO_DEBUG", "0") not in ("", "0"):
            structlog.get_logger().exception("trace")
        return failure.exit_code


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stream_job", description=__doc__)
    parser.add_argument("--conf", type=Path, metavar="FILE", help="settings file")
    parser.add_argument("--once", action="store_true", help="drain landing, then end")
    parser.add_argument("--kpis", action="store_true", help="compute KPIs after each batch")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    from batch.upkeep.unattended import Upkeep
    from checkpoints.kept_accounts import require_all_tables
    from flo.class_archive import start_if_due
    from lake.contract import load_contract
    from lake.initialise import initialise
    from lake.names import publish_names
    from lake.session import build_session
    from lake.settings import Settings
    from streaming.events import KpisShown
    from streaming.phases import Phase, phase
    from streaming.stopping import end_with_parent
    from streaming.supervisor import Supervisor
    from streaming.telemetry.telemetry import Telemetry

    end_with_parent()
    settings = Settings.load(options.conf)
    configure_logs(settings.log_format)
    contract = load_contract(settings.contract)
    spark = build_session(settings, "flo-stream")
    configure_java_logs(spark._jvm, settings.log_format)
    require_all_tables(spark, settings)
    if initialise(spark, settings):
        publish_names(spark, settings)
    telemetry = Telemetry(settings)
    upkeep = Upkeep(spark, settings, stopping=lambda: bool(supervisor.stop))

    def after_batch(_: object) -> None:
        if options.kpis:
            from batch.kpis_job import compute_kpis

            with phase(Phase.KPIS):
                run = compute_kpis(spark, settings)
            telemetry.tell(KpisShown(run.features_version, computed=bool(run.computed)))
        with phase(Phase.UPKEEP):
            upkeep.after_batch()

    supervisor = Supervisor(
        spark,
        settings,
        contract,
        once=options.once,
        after_batch=after_batch,
        tell=telemetry.tell,
    )
    supervisor.stop.listen(spark._jvm)
    try:
        with telemetry.listening(spark):
            code = supervisor.run()
    finally:
        spark.stop()
    start_if_due(settings)
    return code


if __name__ == "__main__":
    sys.exit(main())
