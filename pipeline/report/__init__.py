"""The page after a run."""

from relaytrack.pipeline.report.page import NAME, render, write_report

__all__ = ["NAME", "render", "write_report"]
