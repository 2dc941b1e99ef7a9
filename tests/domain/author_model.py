"""Who wrote what, without a database: what every command must answer and leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from tests.domain.authors import DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

Essay: TypeAlias = int
Student: TypeAlias = int

MIN_SCORE: Final = 0.7


@dataclass(frozen=True)
class Error:
    """Why nothing was confirmed, and which essays or students that is about."""

    code: str
    about: list[int]


@dataclass(frozen=True)
class Confirmed:
    """How many were decided now, and whether nothing is left."""

    decided: int
    completed: bool


@dataclass(frozen=True)
class Suggested:
    """What was kept of a suggestion; student None for no match."""

    student: Student | None
    score: float | None
    at: datetime


@dataclass(frozen=True)
class Settled:
    """A decision."""

    student: Student | None
    method: Literal["human", "timeout"]
    at: datetime


@dataclass
class BatchModel:
    """One batch of the class: slots, suggestions, decisions, completion."""

    size: int
    assigned: list[Essay] = field(default_factory=list)
    taken: int = 0
    suggested: dict[Essay, Suggested] = field(default_factory=dict)
    decided: dict[Essay, Settled] = field(default_factory=dict)
    completed_at: datetime | None = None

    def is_full(self) -> bool:
        return self.taken == self.size

    def take(self, *, failed: bool, now: datetime) -> None:
        """The lowest free slot gets a text, or is used up by a file that failed."""
        if not failed:
            self.assigned.append(self.taken)
        self.taken += 1
        self._complete(now)

    def suggest(
        self,
        matches: Mapping[Essay, Sequence[tuple[Student, float]]],
        enrolled: Collection[Student],
        now: datetime,
    ) -> tuple[int, int, list[Essay]]:
        """How many were created and known, and which essays could not be kept."""
        known = self.suggested.keys() | self.decided.keys()
        good = [essay for essay in matches if essay in self.assigned]
        new = [essay for essay in good if essay not in known]
        for essay in new:
            offers = [offer for offer in matches[essay] if offer[0] in enrolled]
            best: tuple[Student | None, float | None] = (None, None)
            if offers:
                top = max(score for _, score in offers)
                best = next(offer for offer in offers if offer[1] == top)
            self.suggested[essay] = Suggested(*best, now)
        return len(new), len(good) - len(new), sorted(set(matches) - set(good))

    def confirm(
        self,
        authors: Mapping[Essay, Student | None],
        enrolled: Collection[Student],
        now: datetime,
    ) -> Error | Confirmed:
        """Decide all of it, or nothing."""
        if strange := sorted(set(authors) - set(self.assigned)):
            return Error("ESSAY_NOT_IN_BATCH", strange)
        standing = {
            essay
            for essay, settled in self.decided.items()
            if settled.method == "human" or self.completed_at is not None
        }
        new = {
            essay: author
            for essay, author in authors.items()
            if essay not in standing or self.decided[essay].student != author
        }
        if outside := {author for author in new.values() if author is not None} - set(enrolled):
            return Error("STUDENT_NOT_IN_CLASS", sorted(outside))
        if changed := sorted(new.keys() & standing):
            return Error("ALREADY_CONFIRMED", changed)
        self.decided |= {essay: Settled(author, "human", now) for essay, author in new.items()}
        self._complete(now)
        return Confirmed(len(new), self.completed_at is not None)

    def decide_overdue(self, enrolled: Collection[Student], now: datetime) -> list[Settled]:
        """Decide what was suggested a day ago."""
        due = [
            essay
            for essay, suggested in self.suggested.items()
            if essay not in self.decided and suggested.at <= now - DAY
        ]
        for essay in due:
            suggested = self.suggested[essay]
            is_sure = (suggested.score or 0) >= MIN_SCORE and suggested.student in enrolled
            author = suggested.student if is_sure else None
            self.decided[essay] = Settled(author, "timeout", now)
        if due:
            self._complete(now)
        return [self.decided[essay] for essay in due]

    def _complete(self, now: datetime) -> None:
        if self.completed_at is None and self.is_full() and set(self.assigned) <= set(self.decided):
            self.completed_at = now
