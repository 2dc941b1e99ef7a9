"""A skipped test fails the run.

What a test needs is installed by `make setup` or named as missing; a test
that did not run has proven nothing, so it may not look as if it had.
Leaving tests out is done by selection (`-m`, `-k`, a path), which is visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _pytest.terminal import TerminalReporter


def skips(reporter: TerminalReporter) -> Sequence[str]:
    """The names of all tests and modules that were skipped or expected to fail."""
    stats = reporter.stats
    reports = [*stats.get("skipped", []), *stats.get("xfailed", [])]
    return [report.nodeid for report in reports]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run that would have been green into a failed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and skips(reporter) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say why the run failed."""
    names = skips(terminalreporter)
    if names:
        terminalreporter.section("skipped tests fail the run", red=True)
        for name in names:
            terminalreporter.line(name)
