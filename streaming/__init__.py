"""From a drop in landing to snapshots, quarantine and features."""
