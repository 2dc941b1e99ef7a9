"""What each language needs, and how its programs are built and started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Program:
    """A writer by one library: its source, and the command that runs it in the built folder."""

    library: str
    source: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """A folder of programs: the tools it needs, the commands that build it."""

    folder: str
    tools: tuple[str, ...]
    build: tuple[tuple[str, ...], ...]
    programs: tuple[Program, ...]


LANGUAGES: Final = (
    Language(
        folder="node",
        tools=("node", "npm"),
        build=(("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"),),
        programs=(
            Program("node-postgres", "node-postgres.mjs", ("node", "node-postgres.mjs")),
            Program("postgres.js", "postgres.mjs", ("node", "postgres.mjs")),
        ),
    ),
    Language(
        folder="go",
        tools=("go",),
        build=(("go", "mod", "tidy"), ("go", "build", "-o", "bin/", "./...")),
        programs=(
            Program("pgx", "pgx/main.go", ("bin/pgx",)),
            Program("lib/pq", "pq/main.go", ("bin/pq",)),
        ),
    ),
    Language(
        folder="java",
        tools=("java", "mvn"),
        build=(
            (
                *("mvn", "-q", "-B"),
                "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
                "-DoutputDirectory=jars",
            ),
        ),
        programs=(
            Program(
                "pgjdbc",
                "Writer.java",
                ("java", "-XX:-UsePerfData", "-cp", "jars/*", "Writer.java"),
            ),
        ),
    ),
    Language(
        folder="rust",
        tools=("cargo",),
        build=(("cargo", "build", "--quiet"),),
        programs=(
            Program(
                "tokio-postgres", "src/bin/tokio-postgres.rs", ("target/debug/tokio-postgres",)
            ),
            Program("sqlx", "src/bin/sqlx.rs", ("target/debug/sqlx",)),
        ),
    ),
)
