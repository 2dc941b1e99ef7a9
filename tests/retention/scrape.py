"""What `/metrics` shows of batches."""

from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def numbers_of_batches(address: str) -> dict[tuple[str, str], float]:
    """By name and class type, what the server at host:port shows now."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, sample.labels["class_type"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "class_type" in sample.labels
    }
