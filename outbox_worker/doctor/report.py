"""What was found, for people and for programs."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Level
from outbox_worker.logs.safe_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outbox_worker.doctor.examine import Result
    from outbox_worker.doctor.finding import Finding

WIDTH: Final = 100
INDENT: Final = " " * 10
"""Where words continue below a finding."""

QUIET: Final = frozenset({Level.PASS, Level.SKIPPED})
"""Levels that nobody has to look for."""

SHELL: Final = ("kafka-", "outbox-worker ", "psql ")
"""How lines begin that a shell reads: broken, they continue after a backslash."""


def verdict(results: Sequence[Result]) -> Level:
    """The worst of all findings; what was not seen does not count."""
    levels = {each.finding.level for each in results}
    return next((each for each in (Level.FAIL, Level.WARN) if each in levels), Level.PASS)


def exit_code(results: Sequence[Result]) -> int:
    """Of the command: 1 where a check fails."""
    return 1 if verdict(results) is Level.FAIL else 0


def worst(results: Sequence[Result]) -> Result | None:
    """The first of the worst findings: the one to begin with. None where all is well."""
    level = verdict(results)
    if level is Level.PASS:
        return None
    return next(each for each in results if each.finding.level is level)


def as_json(results: Sequence[Result]) -> dict[str, object]:
    """The stable form: `docs/operations.md` describes it."""
    first = worst(results)
    return {
        "verdict": verdict(results).value,
        "first": first and first.check.name,
        "counts": {level.value: _count(results, level) for level in Level},
        "checks": [
            {
                "name": each.check.name,
                "needs": each.check.needs.value,
                "level": each.finding.level.value,
                "seen": each.finding.seen,
                "remedy": each.finding.remedy,
                "run": list(each.finding.run),
            }
            for each in results
        ],
    }


def as_text(results: Sequence[Result]) -> str:
    """Lines of at most 100 columns: the verdict and what mends it, then each check by group."""
    lines = [*_wrapped(_verdict_in_words(results), "", "  "), ""]
    for group, members in groupby(results, key=lambda each: each.check.group):
        lines.append(group)
        # Those that are skipped for one reason stand together.
        for finding, same in groupby(members, key=lambda each: each.finding):
            names = [each.check.name.partition(".")[2] for each in same]
            lines.extend(_of_finding(finding, ", ".join(names)))
    return "\n".join(lines)


def _count(results: Sequence[Result], level: Level) -> int:
    return sum(each.finding.level is level for each in results)


def _verdict_in_words(results: Sequence[Result]) -> str:
    unseen = _count(results, Level.SKIPPED)
    counts = ", ".join(
        f"{count} {word}"
        for level, word in ((Level.FAIL, "fail"), (Level.WARN, "warn"), (Level.SKIPPED, "not seen"))
        if (count := _count(results, level))
    )
    first = worst(results)
    if first is None:
        return f"PASS: {len(results) - unseen} checks" + (f" ({counts})" if unseen else "")
    finding = first.finding
    way = finding.run[0] if finding.run else finding.remedy
    return f"{finding.level.name} ({counts}): {first.check.name}: {way}"


def _of_finding(finding: Finding, what: str) -> Iterator[str]:
    """Its lines: one where all is well, else also what to do."""
    shown = finding.level.value if finding.level in QUIET else finding.level.name
    head = f"  {shown:<8}"
    text = f"{what}: {printable(finding.seen)}"
    if finding.level is Level.PASS:
        yield head + textwrap.shorten(text, WIDTH - len(head), placeholder=" …")
        return
    yield from _wrapped(text, head, INDENT)
    if finding.remedy:
        yield from _wrapped(printable(finding.remedy), INDENT, INDENT)
    for line in finding.run:
        yield from _command(printable(line))


def _command(line: str) -> Iterator[str]:
    """A line to be run, which can be copied also where it is broken."""
    mark = "$ " if line.startswith(SHELL) else "> "
    broken = _wrapped(line, INDENT + mark, f"{INDENT}    ", WIDTH - 2)
    end = " \\" if line.startswith(SHELL) else ""
    yield from (f"{each}{end}" for each in broken[:-1])
    yield broken[-1]


def _wrapped(text: str, first: str, others: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False
    )
