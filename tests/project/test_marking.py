"""Blocks of a page are understood as their marks say."""

from __future__ import annotations

from tests.project.documents import Block, blocks, code, links

PAGE = """\
A [page](other.md) and a [site](https://example.org), with `make demo` in it.

```sh
make demo
```
```sh servers no-run
outbox-worker run
```
```sql
TABLE outbox.lag;
```
```text
[not](a-link.md)
```
"""


def test_blocks_keep_their_order_place_and_marks() -> None:
    assert [(block.line, block.language, sorted(block.words)) for block in blocks(PAGE)] == [
        (3, "sh", []),
        (6, "sh", ["no-run", "servers"]),
        (9, "sql", []),
        (12, "text", []),
    ]


def test_marks_decide_what_runs_and_with_what() -> None:
    assert [block.runs for block in blocks(PAGE)] == [True, False, True, False]
    assert [block.wants_servers for block in blocks(PAGE)] == [False, True, True, False]


def test_block_without_a_language_is_seen_as_one() -> None:
    assert blocks("```\nmake\n```\n") == (Block(1, "", frozenset(), "make\n"),)


def test_code_is_what_stands_in_blocks_and_between_backticks() -> None:
    assert code(PAGE).splitlines()[0] == "make demo"
    assert code(PAGE).splitlines()[-1] == "make demo"
    assert "A page" not in code(PAGE)


def test_links_are_those_to_files_outside_of_blocks() -> None:
    assert links(PAGE) == ["other.md"]
