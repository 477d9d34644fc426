"""Every rule on every set: differences from the mean as colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ensembler.ranking.results import Ranking
from ensembler.report.differences import axis_title, decimals, scale, unit
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain
from ensembler.report.figures.style import BLUE, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

MOST_LABELS = 60
"""More sets have no labels."""
MOST_NARROW = 7
"""More sets scroll on a phone."""
FULL_COLOR = 90
"""Per cent of the differences that are told apart by colour; the few larger ones have the fullest."""


@dataclass(frozen=True)
class RulesBySets(Chart):
    """Differences of rules (rows) on sets (columns), coloured by sign; NaN where a rule could not run."""

    axis: Axis
    rules: Sequence[str]
    sets: Sequence[str]
    values: NDArray[np.float64]
    decimals: int = 2

    @property
    def is_wide(self) -> bool:
        """Whether it scrolls on a phone, where its cells would be too small."""
        return len(self.sets) > MOST_NARROW

    @property
    def most(self) -> float:
        """The size of difference that has the fullest colour."""
        sizes = np.abs(self.values[np.isfinite(self.values)])
        sizes = sizes[sizes > 0]
        return float(np.percentile(sizes, FULL_COLOR)) if len(sizes) else 1.0

    def draw_for_page(self) -> Plain:
        """Draw a heat map by plotly.js."""
        labels = [plotly.escape(name, 18) for name in self.sets] if len(self.sets) <= MOST_LABELS else []
        gap = 1 if labels else 0
        trace: Plain = {
            "type": "heatmap",
            "z": [plotly.all_rounded(row) for row in self.values.tolist()],
            "zmin": plotly.rounded(-self.most),
            "zmax": plotly.rounded(self.most),
            "colorscale": [[0, "var(--cool)"], [0.5, "var(--surface)"], [1, "var(--heat)"]],
            "xgap": gap,
            "ygap": 1,
            "colorbar": {"thickness": 10, "len": 0.8, "outlinewidth": 0, "tickformat": "+"},
            "hovertemplate": f"%{{hovertext}}<br><b>%{{z:+.{self.decimals}f}}</b><extra></extra>",
        }
        ticks = {"tickvals": list(range(len(labels))), "ticktext": labels, "tickangle": -60}
        drawn = plotly.drawing(
            [trace],
            190 + 22 * len(self.rules),
            xaxis={"automargin": True, "showgrid": False, "zeroline": False, "title": {"text": ""}, **ticks},
            yaxis={**plotly.name_axis(self.rules), "range": [len(self.rules) - 0.5, -0.5]},
        )
        drawn["cells"] = [[plotly.escape(name, 40) for name in names] for names in (self.rules, self.sets)]
        return drawn

    def draw_for_file(self) -> "Drawing":
        """Draw a heat map by matplotlib."""
        from matplotlib.colors import LinearSegmentedColormap

        figure = matplotlib.new_figure(matplotlib.PAGE, 1.3 + 0.155 * len(self.rules))
        axes = figure.subplots()
        signed = LinearSegmentedColormap.from_list("signed", [ORANGE, "white", BLUE]).with_extremes(bad="0.85")
        image = axes.imshow(self.values, cmap=signed, vmin=-self.most, vmax=self.most, aspect="auto")
        small = matplotlib.SMALL
        if len(self.sets) <= MOST_LABELS:
            axes.set_xticks(range(len(self.sets)), map(matplotlib.fitted, self.sets), rotation=90, fontsize=small - 1)
        else:
            axes.set_xticks([])
            axes.set_xlabel(f"{len(self.sets)} sets", fontsize=matplotlib.MEDIUM)
        axes.set_yticks(range(len(self.rules)), map(matplotlib.fitted, self.rules), fontsize=small)
        axes.tick_params(length=0)
        bar = figure.colorbar(image, ax=axes, extend="both", shrink=0.8, pad=0.01)
        bar.ax.tick_params(labelsize=small)
        matplotlib.label_values(bar.ax.yaxis, self.axis)
        return figure


def rules_by_sets(ranking: Ranking) -> Figure | None:
    """Show each rule on each set, best rules on top and the sets on which the recommended one gains most first."""
    if len(ranking.sets) < 2:
        return None
    names = [rule.name for rule in ranking.rules]
    rows = [place for place, name in enumerate(names) if name != "mean"]
    if not rows:
        return None
    sorted_by = ranking.recommended if ranking.recommended != "mean" else names[rows[0]]
    order = np.argsort(-ranking.differences[:, names.index(sorted_by)], kind="stable")
    values = scale(ranking.metric) * ranking.differences[order][:, rows].T
    chart = RulesBySets(
        Axis(axis_title(ranking.metric)),
        [names[row] for row in rows],
        [ranking.sets[place].name for place in order],
        values,
        decimals(ranking.metric),
    )
    text = (
        f"{unit(ranking.metric).capitalize()} by which each rule is better than the mean on each set: blue is better, "
        f"orange worse. Rules are in the order of mean ranks, sets in that of what {sorted_by} gains. Differences "
        f"beyond {chart.most:.{chart.decimals}f} have the same colour; hover has the number."
    )
    text += " Cells without colour: the rule could not run." if np.isnan(values).any() else ""
    return Figure("sets", "Every rule on every set", text, [("differences", chart)])
