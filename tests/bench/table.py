"""The results as a table that people read, and the targets beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cells.measure import median
from plan import FIGURE, TARGETS, Measure, Target, Unit

#: measure → contender → the figures of its rounds; a contender without figures was not measured, and may say why (`not_measured`).
Figures = Mapping[str, Mapping[str, list[dict[str, Any]]]]


def middle(figures: Figures, measure: Measure, contender: str, key: str | None = None) -> float | None:
    """The median of a contender's rounds, less that of the contender it is measured over; None if not measured."""
    rounds = figures.get(measure.key, {}).get(contender, [])
    key = key or FIGURE[measure.unit]
    if not rounds or key not in rounds[0]:
        return None
    value = median(figure[key] for figure in rounds)
    if measure.over and contender != measure.over:
        base = figures.get(measure.key, {}).get(measure.over, [])
        return value - median(figure[key] for figure in base) if base else None
    return value


def judge(target: Target, measures: Mapping[str, Measure], figures: Figures) -> tuple[float | None, bool | None]:
    """The measured side of a target and whether it is met; None for what was not measured."""
    measure = measures.get(target.measure)
    key = FIGURE[target.unit] if target.unit else None
    value = middle(figures, measure, target.contender, key) if measure else None
    if target.against:
        other_key, contender = target.against
        other = middle(figures, measures[other_key], contender) if other_key in measures else None
        if value is None or other is None or value <= 0 or other <= 0:
            return None, None
        value = other / value if target.times_less is not None else value / other
    if value is None:
        return None, None
    if target.times_less is not None:
        return value, value >= target.times_less
    return value, target.at_most is not None and value <= target.at_most


def lines(measures: list[Measure], figures: Figures) -> list[str]:
    """The whole table."""
    by_key = {measure.key: measure for measure in measures}
    out: list[str] = []
    for measure in measures:
        out += ["", measure.title, f"  {'':38}{'median':>12}{'lowest':>12}{'highest':>12}{'wall':>12}{'ratio':>12}"]
        ours = middle(figures, measure, "partnersam")
        for cell in measure.cells:
            out.append(row(measure, cell.contender, figures, ours))
        out += [verdict(target, by_key, figures) for target in TARGETS if target.measure == measure.key]
    return out


def row(measure: Measure, contender: str, figures: Figures, ours: float | None) -> str:
    """One contender: its figure and how many times ours it is."""
    value = middle(figures, measure, contender)
    if value is None:
        rounds = figures.get(measure.key, {}).get(contender, [])
        why = next((f": {one['not_measured']}" for one in rounds if "not_measured" in one), "")
        return f"  {contender:38}{'not measured':>12}{why}"
    rounds = [figure[FIGURE[measure.unit]] for figure in figures[measure.key][contender]]
    shift = value - median(rounds)
    spread = [show(extreme + shift, measure.unit) for extreme in (min(rounds), max(rounds))]
    wall = middle(figures, measure, contender, "wall_ns_per_op") if measure.unit == "cpu" else None
    ratio = f"{value / ours:,.2f} x" if ours and ours > 0 and contender not in ("partnersam", measure.over) else ""
    shown_wall = show(wall, "cpu") if wall is not None else ""
    return f"  {contender:38}{show(value, measure.unit):>12}{spread[0]:>12}{spread[1]:>12}{shown_wall:>12}{ratio:>12}"


def verdict(target: Target, measures: Mapping[str, Measure], figures: Figures) -> str:
    """A target, what was measured, and whether it is met."""
    value, met = judge(target, measures, figures)
    if value is None:
        return f"  target {target.text}: not measured"
    shown = f"{value:,.2f} x" if target.against else show(value, target.unit or measures[target.measure].unit)
    return f"  target {target.text}: {'met' if met else 'NOT MET'}, {shown}"


def show(value: float, unit: Unit) -> str:
    """A figure with its unit."""
    if unit in ("exchanges", "signatures"):
        return f"{value:,.0f}"
    if unit in ("bytes", "growth"):
        return f"{value:,.0f} B"
    for name, nanoseconds in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(value) >= nanoseconds:
            return (
                f"{value / nanoseconds:,.3g} {name}"
                if value / nanoseconds < 1000
                else f"{value / nanoseconds:,.0f} {name}"
            )
    return f"{value:,.0f} ns"
