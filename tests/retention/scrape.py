"""What `/metrics` shows of batches and commands."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.harness.workers import HTTP_S

if TYPE_CHECKING:
    from prometheus_client.samples import Sample


def scrape(address: str) -> list[Sample]:
    """All that the server at host:port shows now."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=HTTP_S) as answer:
        text = answer.read().decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def numbers_of_batches(samples: list[Sample]) -> dict[tuple[str, str], float]:
    """By name and class type."""
    return {
        (sample.name, sample.labels["class_type"]): sample.value
        for sample in samples
        if "class_type" in sample.labels
    }


def longest_command(samples: list[Sample]) -> tuple[float, float]:
    """The bounds of the highest bucket that any command fell into, claim to commit."""
    buckets: dict[float, float] = {}
    for sample in samples:
        if sample.name == "outbox_command_duration_seconds_bucket":
            bound = float(sample.labels["le"])
            buckets[bound] = buckets.get(bound, 0) + sample.value
    all_of_them = max(buckets.values())
    upper = min(bound for bound, count in buckets.items() if count == all_of_them)
    return max((bound for bound in buckets if bound < upper), default=0.0), upper
