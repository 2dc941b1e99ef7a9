"""What the Markdown files hold: fenced blocks, names in code, links.

How a block of README.md, and of docs/your-own-events.md, is marked decides what becomes of it:

- `sh`          run by bash in a fresh copy of the project, as after `git clone`;
- `sh servers`  the same, with the installed command in the PATH, a migrated database in
                OUTBOX_DATABASE_URL and a broker in OUTBOX_KAFKA_BOOTSTRAP_SERVERS;
- `sql`         run on that database, each block in a transaction of its own;
- `python`      run in the environment of `sh servers`;
- `no-run` after one of these: only shown (it needs Docker, would not end, or runs the tests);
- `text`, `json`, `yaml`, `properties`, `mermaid`: never run;
- `javascript`, `go`, `java`, `rust`: run by `make drivers`, as parts of whole programs.

Blocks run in the order of the page and see what those before them did. All blocks of
SECURITY.md, of any language, are used by `tests/security/test_security_page.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.project.tree import files

if TYPE_CHECKING:
    from pathlib import Path

RUNNABLE: Final = frozenset({"sh", "sql", "python"})
SHOWN: Final = frozenset(
    {"text", "json", "yaml", "properties", "mermaid", "javascript", "go", "java", "rust"}
)
WORDS: Final = frozenset({"servers", "no-run"})

FENCE = re.compile(
    r"^(?P<fence>```+)(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL
)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, the further words of its info string, its text."""

    line: int
    language: str
    words: frozenset[str]
    text: str

    @property
    def runs(self) -> bool:
        """Whether a test carries it out."""
        return self.language in RUNNABLE and "no-run" not in self.words

    @property
    def wants_servers(self) -> bool:
        """Whether it talks to a database or a broker."""
        return self.language in {"sql", "python"} or "servers" in self.words


def pages() -> tuple[Path, ...]:
    """Every Markdown file of the project."""
    return files(".md")


def blocks(page: str) -> tuple[Block, ...]:
    """The fenced blocks of a page, in its order."""
    return tuple(
        Block(
            line=page.count("\n", 0, found.start()) + 1,
            language=(found["info"].split() or [""])[0],
            words=frozenset(found["info"].split()[1:]),
            text=found["text"],
        )
        for found in FENCE.finditer(page)
    )


def code(page: str) -> str:
    """All that a page sets as code, one piece a line."""
    fenced = [block.text for block in blocks(page)]
    return "\n".join([*fenced, *INLINE.findall(FENCE.sub("", page))])


def links(page: str) -> list[str]:
    """Targets of the links to other files."""
    return LINK.findall(FENCE.sub("", page))
