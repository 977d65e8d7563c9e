"""Inline SVG, drawn from figures: intervals as bars, risk over coverage as a line. A table beside each has its numbers."""

from collections.abc import Sequence

from markupsafe import Markup

from surefoot.evals.figures import COVERAGES, Figure

_BAR_WIDTH, _BAR_HEIGHT = 160, 14
_PLOT_WIDTH, _PLOT_HEIGHT, _MARGIN = 360, 200, 34


def interval_bar(figure: Figure) -> Markup:
    """A share between 0 and 1 as a dot on its interval; nothing when it has no value."""
    if figure.value is None:
        return Markup()
    middle = _BAR_HEIGHT / 2
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    # The table beside it says the same in figures, so it is hidden from screen readers.
    return Markup(
        '<svg class="bar" aria-hidden="true" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
        '<line class="axis" x1="0" x2="{w}" y1="{m}" y2="{m}"/>'
        '<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{m}" y2="{m}"/>'
        '<circle class="dot" cx="{x:.1f}" cy="{m}" r="4"/></svg>'
    ).format(w=_BAR_WIDTH, h=_BAR_HEIGHT, m=middle, low=_inside(low), high=_inside(high), x=_inside(figure.value))


def _inside(share: float) -> float:
    """The place of a share, so that a dot at 0 or 1 is seen whole."""
    return 4 + min(max(share, 0.0), 1.0) * (_BAR_WIDTH - 8)


def risk_points(figures: Sequence[Figure]) -> list[tuple[float, Figure]]:
    """Coverage and risk of the whole run's questions, by rising coverage."""
    by_name = {figure.name: figure for figure in figures if figure.slice == {"task": "ask"}}
    named = [(coverage, by_name.get(f"risk_at_{coverage:g}")) for coverage in COVERAGES]
    return [(coverage, figure) for coverage, figure in named if figure is not None and figure.value is not None]


def risk_curve(points: Sequence[tuple[float, Figure]]) -> Markup:
    """Risk over coverage; nothing for fewer than two points."""
    placed = [(_across(coverage), _up(figure.value)) for coverage, figure in points if figure.value is not None]
    if len(placed) < 2:
        return Markup()
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    left, right, bottom, top = _across(0), _across(1), _up(0), _up(1)
    return Markup(
        '<svg class="plot" role="img" aria-label="Risk over coverage; the table below has the figures" width="{w}" height="{h}" '
        'viewBox="0 0 {w} {h}"><path class="axis" d="M{left},{top}V{bottom}H{right}"/><polyline class="curve" points="{line}"/>'
        '<text x="{left}" y="{under}">0 %</text><text x="{right}" y="{under}" text-anchor="end">100 % answered</text>'
        '<text x="2" y="{bottom}">0 %</text><text x="2" y="{top}">100 % wrong</text></svg>'
    ).format(w=_PLOT_WIDTH, h=_PLOT_HEIGHT, left=left, right=right, bottom=bottom, top=top, line=line, under=_PLOT_HEIGHT - 10)


def _across(coverage: float) -> float:
    return _MARGIN + coverage * (_PLOT_WIDTH - _MARGIN - 10)


def _up(risk: float | None) -> float:
    return _PLOT_HEIGHT - _MARGIN - (risk or 0.0) * (_PLOT_HEIGHT - _MARGIN - 20)
