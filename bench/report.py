"""The figures for people, for machines and as a picture."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table

from bench.chart import draw
from outbox_worker.local.kafka import VERSION as KAFKA
from outbox_worker.local.postgres import VERSION as POSTGRES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.figures import Figure

RESULTS: Final = Path(__file__).parent / "results"
GROUP_FROM: Final = 1_000


def as_table(figures: Sequence[Figure]) -> Table:
    """Figure, value, unit, target, and whether it is met."""
    table = Table(title="make bench")
    table.add_column("")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("target", justify="right")
    table.add_column("met")
    words = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}
    for each in figures:
        value = f"{each.value:,.0f}" if each.value >= GROUP_FROM else f"{each.value:.3g}"
        table.add_row(each.part, each.name, value, each.unit, each.target, words[each.met])
    return table


def write(figures: Sequence[Figure], *, quick: bool, load: float) -> tuple[Path, Path]:
    """The JSON file and the chart; both paths. `load` is what the machine did before we began."""
    RESULTS.mkdir(exist_ok=True)
    data, chart = RESULTS / "latest.json", RESULTS / "latest.svg"
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "postgres": POSTGRES,
        "kafka": KAFKA,
        "figures": [asdict(each) for each in figures],
    }
    data.write_text(json.dumps(content, indent=1) + "\n")
    chart.write_text(draw(figures))
    return data, chart
