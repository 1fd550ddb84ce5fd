"""Charts as self-contained SVG, drawn without a display and without global state."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.report.details import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of sufficient contrast on white; every line also differs by its dash pattern or marker.
INK, GRID, ACCENT, ALARM, MUTED = "#1f2933", "#d9dee4", "#1f4e79", "#9b1c1c", "#5a6675"
LINES = ("#1f4e79", "#9b1c1c", "#2f6f4f", "#7a4b00", "#5b3a8c", "#3b4754")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "path",  # glyphs as paths: the same picture in a browser and in the PDF, whatever fonts there are
    "svg.hashsalt": "ihaudit",  # the same results give the same bytes
}


#: Figures that a caller of `drawn_on` wants as they are, and not as SVG.
_KEPT: ContextVar[list[Figure] | None] = ContextVar("kept", default=None)


@contextmanager
def drawn_on() -> Iterator[list[Figure]]:
    """Within the block every chart is kept as a matplotlib figure, in the list, and gives no SVG."""
    kept: list[Figure] = []
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


def _svg(draw: Any, width: float, height: float) -> str:
    """Run `draw(figure)` on a figure of `width` x `height` inches and return it as a data URI."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        kept = _KEPT.get()
        if kept is not None:
            kept.append(figure)
            return ""
        buffer = io.BytesIO()
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def histogram(scores: NDArray[Any], marks: Sequence[tuple[str, float]], bound: float | None, xlabel: str) -> str:
    """Histogram of per-image scores.

    Args:
        scores: (N,), NaN entries are left out.
        marks: (name, value) of the baselines, drawn as labelled vertical lines.
        bound: the gate's bound, or None.
        xlabel: of the score.
    """
    from matplotlib.ticker import MaxNLocator

    values = scores[np.isfinite(scores)]

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        low = float(min([0.0, *values, *(v for _, v in marks)]))
        bins = np.linspace(np.floor(low * 20) / 20, 1.0, max(21, int((1.0 - low) * 25)))
        counts, _, _ = ax.hist(values, bins=bins.tolist(), color="#7f9bb8", edgecolor="white", linewidth=0.6)
        top = float(np.max(counts, initial=1.0))
        lines = [(name, value, MUTED, DASHES[1 + i % 3]) for i, (name, value) in enumerate(marks)]
        if bound is not None:
            lines.append(("bound of the gate", bound, ALARM, "-"))
        lines.sort(key=lambda t: t[1])
        ax.set_ylim(0, top * (1.12 + 0.13 * len(lines)))
        for i, (name, value, colour, dash) in enumerate(lines):
            y = top * (1.06 + 0.13 * (len(lines) - 1 - i))
            ax.plot([value, value], [0, y], color=colour, linestyle=dash, linewidth=1.3)
            left = value > bins[0] + 0.62 * (bins[-1] - bins[0])
            ax.annotate(
                f"{name} {value:.2f}",
                (value, y),
                xytext=(-4 if left else 4, -1),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                color=colour,
                fontsize=8,
            )
        ax.set_xlabel(xlabel)
        ax.set_ylabel("private images")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlim(bins[0], 1.0)

    return _svg(draw, 6.6, 2.7)


def intervals(rows: Sequence[tuple[str, float, float | None, float | None, float | None]], xlabel: str) -> str:
    """Estimates with their intervals, one line each: (name, value, low, high, floor or None)."""

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        for i, (_, value, low, high, least) in enumerate(rows):
            y = len(rows) - 1 - i
            if low is not None and high is not None:
                ax.plot([low, high], [y, y], color=ACCENT, linewidth=2, solid_capstyle="butt")
                for end in (low, high):
                    ax.plot([end, end], [y - 0.14, y + 0.14], color=ACCENT, linewidth=1.2)
            ax.plot([value], [y], "o", color=ACCENT, markersize=5)
            if least is not None:
                ax.plot([least], [y], marker="<", color=ALARM, markersize=5.5, linestyle="none")
        ax.axvline(0, color=MUTED, linewidth=1)
        ax.set_yticks(range(len(rows)), [_short(r[0]) for r in rows][::-1])
        ax.set_ylim(-0.6, len(rows) - 0.05)
        lowest = min(min(x for x in r[1:4] if x is not None) for r in rows)
        ax.set_xlim(min(-0.05, lowest - 0.03), 1.03)
        ax.grid(axis="x")
        ax.set_axisbelow(True)
        ax.set_xlabel(xlabel)
        ax.tick_params(axis="y", length=0)

    return _svg(draw, 6.6, 0.75 + 0.3 * len(rows))


def strips(
    rows: Sequence[tuple[str, NDArray[Any]]],
    guesses: Sequence[tuple[str, NDArray[Any]]],
    bounds: Sequence[tuple[str, float]],
) -> str:
    """Per-image scores, one row of dots for each attack, and under them for each trivial guess.

    Args:
        rows: (name, finite scores (N,)) from the top down.
        guesses: likewise, drawn in grey under them.
        bounds: (name, SSIM), drawn as labelled vertical lines.
    """
    every = [*rows, *guesses]

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        for i, (_, scores) in enumerate(every):
            y, colour = len(every) - 1 - i, ACCENT if i < len(rows) else MUTED
            # Spread by rank, so that the same results give the same picture and equal scores stay apart.
            order = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
            spread = 0.5 * ((order * 0.618034) % 1.0 - 0.5)
            ax.plot(scores, y + spread, "o", color=colour, markersize=2.6, alpha=0.55, markeredgewidth=0)
            middle, most = float(np.median(scores)), float(np.quantile(scores, 0.9))
            ax.plot([middle, middle], [y - 0.36, y + 0.36], color=INK, linewidth=1.6)
            ax.plot([most], [y], marker="v", color=INK, markersize=5.5, linestyle="none")
        for i, (name, bound) in enumerate(bounds):
            ax.axvline(bound, color=ALARM, linestyle=DASHES[i % len(DASHES)], linewidth=1.3)
            ax.annotate(
                f"{name} {bound:.3f}",
                (bound, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3 + 9 * (i % 2)),
                textcoords="offset points",
                ha="center",
                color=ALARM,
                fontsize=8,
            )
        low = min([-0.05, *(float(s.min()) - 0.03 for _, s in every)])
        ax.set_xlim(low, 1.03)
        ax.set_ylim(-0.6, len(every) - 0.4)
        ax.set_yticks(range(len(every)), [_short(name, 40) for name, _ in every][::-1])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.set_axisbelow(True)
        ax.set_xlabel("SSIM of a private image with its reconstruction")

    return _svg(draw, 6.6, 0.85 + 0.36 * len(every))


def scatter(points: Sequence[tuple[str, float, float]], bounds: Sequence[tuple[str, float]]) -> str:
    """Cost against what it bought: (name, CPU seconds, SSIM), and bounds on SSIM as labelled lines."""

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        for i, (name, seconds, reached) in enumerate(points):
            style: Any = {"color": LINES[i % len(LINES)], "marker": MARKERS[i % len(MARKERS)], "linestyle": "none"}
            ax.plot([seconds], [reached], markersize=6, label=_short(name), **style)
        for i, (name, bound) in enumerate(bounds):
            ax.axhline(bound, color=ALARM, linestyle=DASHES[i % len(DASHES)], linewidth=1.1)
            ax.annotate(
                f"{name} {bound:.3f}",
                (1.0, bound),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=ALARM,
                fontsize=8,
            )
        ax.set_xscale("log")
        ax.margins(x=0.15)
        ax.set_ylim(min(-0.05, min(p[2] for p in points) - 0.05), 1.05)
        ax.legend(loc="center left", bbox_to_anchor=(1.14, 0.5), fontsize=8)
        ax.set_xlabel("CPU seconds")
        ax.set_ylabel("SSIM, 90 % quantile")
        ax.grid()
        ax.set_axisbelow(True)
        _plain_ticks(ax)

    return _svg(draw, 6.6, 2.5)


def roc(curves: Sequence[Curve], levels: Sequence[float] = ()) -> str:
    """ROC curves on log axes: what matters is how many are caught at few false alarms."""

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        least = 1.0
        for i, c in enumerate(curves):
            x, y = np.asarray(c.x, float), np.asarray(c.y, float)
            keep = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
            if not keep.any():
                continue
            least = min(least, float(x[keep].min()))
            ax.plot(
                x[keep],
                y[keep],
                color=LINES[i % len(LINES)],
                linestyle=DASHES[i % len(DASHES)],
                linewidth=1.6,
                label=_short(c.name, 44),
            )
        least = min([max(least, 1e-5), 1e-2, *(level / 2 for level in levels)])
        for level in levels:
            ax.axvline(level, color=MUTED, linewidth=0.9, linestyle=":")
        ax.plot([least, 1], [least, 1], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), label="guessing")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlim(least, 1)
        ax.set_ylim(least, 1.15)
        ax.set_xlabel("false alarms (false-positive rate)")
        ax.set_ylabel("caught (true-positive rate)")
        ax.grid()
        _plain_ticks(ax)
        ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)

    return _svg(draw, 6.6, 3.0)


def lines(curves: Sequence[Curve]) -> str:
    """Several curves that share their axes."""

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        for i, c in enumerate(curves):
            marker = "o" if len(c.x) <= 24 else None
            ax.plot(
                c.x,
                c.y,
                color=LINES[i % len(LINES)],
                linestyle=DASHES[i % len(DASHES)],
                marker=marker,
                markersize=3.5,
                linewidth=1.5,
                label=_short(c.name, 44),
            )
        _axes(ax, curves)
        if len(curves) > 1 or curves[0].name:
            ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)

    return _svg(draw, 6.6, 2.6)


def pairs(curves: Sequence[Curve], alone: float, who: str) -> str:
    """SSIM against known pairs, from none on; `alone` is what is reached with none, and `who` reaches it."""

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        for i, c in enumerate(curves):
            ax.plot(
                c.x,
                c.y,
                color=LINES[i % len(LINES)],
                linestyle=DASHES[i % len(DASHES)],
                marker="o",
                markersize=3.5,
                linewidth=1.5,
                label=_short(c.name, 44),
            )
        # With more pairs nobody does worse than without: the level of encodings alone goes on.
        ax.axhline(alone, color="black", linestyle=":", linewidth=1)
        ax.plot([0], [alone], "D", color="black", markersize=5, label=_short(f"none: {who}", 44))
        top = max(x for c in curves for x in c.x)
        ticks = [t for t in (0, 1, 3, 10, 30, 100, 300, 1000) if t <= top]
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xticks(ticks, [str(t) for t in ticks])
        ax.minorticks_off()
        ax.set_ylim(min(0, alone), 1.02)
        ax.set_xlabel(curves[0].xlabel)
        ax.set_ylabel(curves[0].ylabel)
        ax.grid()
        ax.set_axisbelow(True)
        ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8)

    return _svg(draw, 6.6, 2.6)


#: Values that an axis of `panels` names at most.
MOST_TICKS = 8


@dataclass(frozen=True)
class Line:
    """Estimates along one axis: places, values, and ends of intervals (None where there is none)."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float | None]
    high: Sequence[float | None]


@dataclass(frozen=True)
class Panel:
    """One part of a figure: lines that share an axis, a bound to draw, and whether the axis is logarithmic."""

    ylabel: str
    lines: Sequence[Line]
    bound: float | None = None
    log: bool = False


def panels(parts: Sequence[Panel], xlabel: str, ticks: Sequence[tuple[float, str]]) -> str:
    """Several measures over the same parameter, two beside each other, with one legend for all.

    Args:
        parts: at least one; lines of one name have one colour in all of them.
        xlabel: of all.
        ticks: place and text of each value of the parameter; places are logarithmic where they span much.
    """
    names = list(dict.fromkeys(line.name for p in parts for line in p.lines))
    places = [x for x, _ in ticks]
    step = -(-len(ticks) // MOST_TICKS)  # of many values some are named
    ticks = ticks[::step]
    wide = min(places) > 0 and max(places) / min(places) > 12
    rows = (len(parts) + 1) // 2

    def draw(figure: Figure) -> None:
        for i, part in enumerate(parts):
            ax = figure.add_subplot(rows, 2 if len(parts) > 1 else 1, i + 1)
            for line in part.lines:
                which = names.index(line.name)
                colour = LINES[which % len(LINES)]
                style: Any = {"color": colour, "linestyle": DASHES[which // len(LINES) % len(DASHES)]}
                style |= {"marker": MARKERS[which % len(MARKERS)], "markersize": 4, "linewidth": 1.4}
                ax.plot(line.x, line.y, label=_short(line.name, 44), **style)
                for x, low, high in zip(line.x, line.low, line.high):
                    if low is not None and high is not None:
                        ax.plot([x, x], [low, high], color=colour, linewidth=1.1, alpha=0.8)
            if part.bound is not None:
                ax.axhline(part.bound, color=ALARM, linestyle="--", linewidth=1.1)
                ax.annotate(
                    f"bound {part.bound:.3g}",
                    (0.0, part.bound),
                    xycoords=("axes fraction", "data"),
                    xytext=(3, 3),
                    textcoords="offset points",
                    color=ALARM,
                    fontsize=7.5,
                )
            if part.log:
                ax.set_yscale("log")
                _plain_ticks(ax)
            if wide:
                ax.set_xscale("log")
                ax.minorticks_off()
            crowded = sum(len(t) for _, t in ticks) > 36
            ax.set_xticks([x for x, _ in ticks], [_short(t, 14) for _, t in ticks], rotation=35 if crowded else 0)
            ax.set_xlabel(xlabel)
            ax.set_ylabel(part.ylabel)
            ax.grid()
            ax.set_axisbelow(True)
        if len(names) > 1:
            shown = {_short(name, 44): None for name in names}
            drawn = {str(h.get_label()): h for ax in figure.axes for h in ax.get_lines()}
            figure.legend([drawn[n] for n in shown], list(shown), loc="outside lower center", ncols=2, fontsize=8)

    return _svg(draw, 6.6, 0.4 + 2.3 * rows + (0.2 * ((len(names) + 1) // 2) if len(names) > 1 else 0.0))


def _axes(ax: Axes, curves: Sequence[Curve]) -> None:
    first = curves[0]
    if first.log:
        if all(v > 0 for c in curves for v in c.x if np.isfinite(v)):
            ax.set_xscale("log")
        if all(v > 0 for c in curves for v in c.y if np.isfinite(v)):
            ax.set_yscale("log")
        _plain_ticks(ax)
    ax.set_xlabel(first.xlabel)
    ax.set_ylabel(first.ylabel)
    ax.grid()
    ax.set_axisbelow(True)


def _plain_ticks(ax: Axes) -> None:
    """0.01 instead of a power of ten, on logarithmic axes only."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            low, high = sorted(axis.get_view_interval())
            narrow = high / max(low, 1e-300) < 30
            axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
            axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            axis.set_minor_formatter(NullFormatter())


def _short(text: str, limit: int = 36) -> str:
    """One line of plain text for a chart; dollar signs would start TeX."""
    text = " ".join(text.split()).replace("$", r"\$")
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
