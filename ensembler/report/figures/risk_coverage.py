"""How often answers are wrong if only the most confident rows are answered: risk–coverage curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ensembler.deployment.abstention_study import AbstentionStudy, curve_steps
from ensembler.metrics.selective import Answered, RiskCoverage
from ensembler.report.answering import Answering
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain
from ensembler.report.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

COVERAGE = Axis("coverage: share of the rows that is answered", percent=True)
RISK = Axis("risk: share of the answers that is wrong", percent=True)
FEW = 15
"""So many steps or fewer are marked."""
STYLES = (
    ("blue", BLUE, "-", "solid"),
    ("orange", ORANGE, "--", "dash"),
    ("green", GREEN, "-.", "dashdot"),
    ("purple", PURPLE, ":", "dot"),
    ("grey", GREY, (0, (6, 3)), "longdash"),
)
"""Colours by name and value, and dashes in matplotlib's and in plotly's words, of the curves in their order."""


@dataclass(frozen=True)
class Curve:
    """The steps of a risk–coverage curve, and the ends of the risks' intervals where there are some."""

    label: str
    coverage: Sequence[float]
    risk: Sequence[float]
    thresholds: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()

    @classmethod
    def of(cls, label: str, curve: RiskCoverage, band: Sequence[Answered] = ()) -> "Curve":
        """Take some steps of a curve, those of the band where there is one."""
        steps = curve_steps(curve)
        ends = [part.interval for part in band]
        known = [end for end in ends if end is not None]
        whole = len(known) == len(steps)
        return cls(
            label,
            curve.coverage[steps].tolist(),
            curve.risk[steps].tolist(),
            curve.thresholds[steps].tolist(),
            [low for low, _ in known] if whole else (),
            [high for _, high in known] if whole else (),
        )


@dataclass(frozen=True)
class RiskCoverageCurves(Chart):
    """Risk–coverage curves: the first with its band, and where it is stopped for a wanted risk."""

    curves: Sequence[Curve]
    wanted: float | None = None
    stop: tuple[float, float] | None = None

    @property
    def top(self) -> float:
        """How far up risks are drawn: bands at a low coverage are wide and say little."""
        highest = max(max(curve.risk) for curve in self.curves)
        return 1.15 * max(highest, self.wanted or 0.0, 0.01)

    @property
    def bottom(self) -> float:
        """A little below 0, so that curves do not lie on the edge."""
        return -0.02 * self.top

    @property
    def band(self) -> tuple[list[float], list[float], list[float]]:
        """The coverages and ends of the first curve's intervals that lie in the figure."""
        first = self.curves[0]
        steps = zip(first.coverage, first.low, first.high, strict=True) if first.low else ()
        inside = [step for step in steps if step[2] < self.top]
        return [at for at, _, _ in inside], [low for _, low, _ in inside], [high for _, _, high in inside]

    def draw_for_page(self) -> Plain:
        """Draw risks against coverages by plotly.js."""
        first = self.curves[0]
        traces: list[Plain] = []
        if self.band[0]:
            band: Plain = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
            band |= {"x": plotly.all_rounded(self.band[0]), "line": {"width": 0}}
            filled = {"fill": "tonexty", "fillcolor": "rgba(70,150,210,0.25)", "showlegend": True}
            traces.append({**band, "y": plotly.all_rounded(self.band[1])})
            traces.append({**band, "y": plotly.all_rounded(self.band[2]), **filled, "name": "95 % interval"})
        for curve, (color, _, _, dash) in reversed(list(zip(self.curves, STYLES, strict=False))):
            traces.append(self.trace(curve, f"var(--{color})", dash, wide=curve is first))
        if self.stop is not None:
            at, risk = self.stop
            hover = f"<b>{at:.1%} answered</b><br>{risk:.1%} of them wrongly"
            look = {"marker": plotly.marker("chosen")}
            traces.append(plotly.points("threshold", "chosen", [at], [plotly.rounded(risk)], [hover], **look))
        shapes = []
        if self.wanted is not None:
            line = {"color": plotly.MUTED, "width": 1.2, "dash": "dash"}
            shapes.append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": self.wanted, "y1": self.wanted})
            shapes[0] |= {"line": line, "layer": "below"}
        return plotly.drawing(
            traces,
            420,
            xaxis=plotly.value_axis(COVERAGE, range=[0, 1.02]),
            yaxis=plotly.value_axis(RISK, range=[plotly.rounded(self.bottom), plotly.rounded(self.top)]),
            shapes=shapes,
            hovermode="closest",
        )

    def trace(self, curve: Curve, color: str, dash: str, *, wide: bool) -> Plain:
        """Return one curve."""
        hover = [
            f"<b>{plotly.escape_wrapped(curve.label)}</b><br>{at:.1%} answered, {risk:.1%} of them wrongly"
            f"<br>threshold {threshold:.4g}"
            for at, risk, threshold in zip(curve.coverage, curve.risk, curve.thresholds, strict=True)
        ]
        look = {
            "mode": "lines+markers" if len(curve.coverage) <= FEW else "lines",
            "line": {"color": color, "width": 2.4 if wide else 1.5, "dash": dash},
            "marker": {"color": color, "size": 7},
        }
        x, y = plotly.all_rounded(curve.coverage), plotly.all_rounded(curve.risk)
        return plotly.points(curve.label, "other", x, y, hover, **look)

    def draw_for_file(self) -> "Drawing":
        """Draw risks against coverages by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE * 0.72, 3.1)
        axes = matplotlib.frameless(figure.subplots())
        if self.wanted is not None:
            axes.axhline(self.wanted, color="0.5", linestyle="--", linewidth=0.9, zorder=1)
        if self.band[0]:
            axes.fill_between(*self.band, color=BLUE, alpha=0.18, linewidth=0, zorder=1,
                              label="95 % interval")  # fmt: skip
        for place, (curve, (_, color, style, _)) in enumerate(zip(self.curves, STYLES, strict=False)):
            marker = "o" if len(curve.coverage) <= FEW else ""
            axes.plot(
                curve.coverage,
                curve.risk,
                color=color,
                linestyle=style,
                linewidth=1.0 if place else 1.7,
                marker=marker,
                markersize=4,
                zorder=4 - bool(place),
                label=matplotlib.fitted(curve.label),
            )
        if self.stop is not None:
            at, risk = self.stop
            look = matplotlib.marker_style("chosen")
            axes.plot([at], [risk], linestyle="none", label="threshold", zorder=5, **look)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(self.bottom, self.top)
        matplotlib.label_values(axes.xaxis, COVERAGE)
        matplotlib.label_values(axes.yaxis, RISK)
        matplotlib.add_legend(axes)
        return figure


def risk_coverage_figure(curves: Sequence[Answering], signals: Sequence[Answering]) -> Figure:
    """Show how often answers are wrong by how many rows are answered: of several rules, and by several signals."""
    rule = curves[0].label
    text = (
        f"Rows are answered in order of confidence: the further to the left, the fewer and the surer. {rule}, with its "
        "95 % interval at each coverage, beside other rules, each by its top probability; a lower curve is better, and "
        "the right end is the plain error."
    )
    views: list[tuple[str, Chart]] = [("rules", curves_of(curves))]
    if len(signals) > 1:
        text += f" The other view has {rule} by other signals of confidence."
        views.append(("signals", curves_of(signals)))
    return Figure("abstention", "How many rows to answer", text, views)


def curves_of(answering: Sequence[Answering]) -> RiskCoverageCurves:
    """Return the curves of several, the first with its band."""
    return RiskCoverageCurves([Curve.of(one.label, one.curve, one.band) for one in answering])


def risk_coverage_of(study: AbstentionStudy) -> RiskCoverageCurves:
    """Return every signal's curve, and where the first one is stopped."""
    first, *others = study.signals
    curves = [Curve.of(first.name, first.curve, study.band), *(Curve.of(one.name, one.curve) for one in others)]
    stop = None if study.abstention is None else (study.reached.coverage, study.reached.risk)
    return RiskCoverageCurves(curves, study.risk, stop)
