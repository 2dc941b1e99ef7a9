"""A bar chart as SVG, by hand: a title, a line for each figure, the target in the label."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.figures import Figure

WIDTH: Final = 860
ROW: Final = 22
HEAD: Final = 34
NAMES: Final = 330
BARS: Final = 300
GOOD: Final = "#2f7d4f"
BAD: Final = "#b3412c"
PLAIN: Final = "#4a6fa5"


def draw(figures: Sequence[Figure]) -> str:
    """Groups by unit, each with a scale of its own."""
    units = list(dict.fromkeys(figure.unit for figure in figures))
    body: list[str] = []
    y = 10
    for unit in units:
        group = [figure for figure in figures if figure.unit == unit]
        top = max(figure.value for figure in group) or 1.0
        body.append(_text(10, y + 20, unit, "bold"))
        y += HEAD
        for figure in group:
            body.extend(_row(figure, y, top))
            y += ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10}" '
        f'viewBox="0 0 {WIDTH} {y + 10}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _row(figure: Figure, y: int, top: float) -> list[str]:
    colour = PLAIN if figure.met is None else GOOD if figure.met else BAD
    width = max(1.0, BARS * figure.value / top)
    target = f"   (target {figure.target})" if figure.target else ""
    return [
        _text(10, y + 12, f"({figure.part}) {figure.name}"),
        f'<rect x="{NAMES}" y="{y}" width="{width:.1f}" height="15" rx="2" fill="{colour}"/>',
        _text(NAMES + width + 6, y + 12, f"{figure.value:,.4g}{target}"),
    ]


def _text(x: float, y: float, text: str, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" fill="#222222">{escape(text)}</text>'
    )
