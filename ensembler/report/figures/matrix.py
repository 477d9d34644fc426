"""Squares of values: what classes are taken for, and how often members say different classes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.comparison.results import Comparison, RuleScore
from ensembler.metrics.confusion import confusion_matrix
from ensembler.predictions.diagnosis.diversity import Diversity
from ensembler.report.diversity import redundancy_sentences
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain
from ensembler.report.figures.style import BLUE, ORANGE
from ensembler.report.leading import leading_rules
from ensembler.report.tables import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MOST_MATRIX = 60
"""Rows of a matrix at most."""
MOST_LABELS = 40
"""Matrices of more rows have no tick labels."""
MOST_NUMBERS, MOST_NUMBERS_FILE = 10, 12
"""Matrices of more rows have no numbers in their cells, on a page and in a file."""
MOST_NARROW = 7
"""Matrices of more rows scroll on a phone."""
FAINT, DEEP = "#cfe2f1", "#08519c"
"""Of cells in a file: from the least, where that is not 0, to the most."""


@dataclass(frozen=True)
class Matrix(Chart):
    """A square of values: ``diverging`` ones, in points, are coloured by sign, others, shares, from ``low`` on.

    ``counts`` are shown beside the values on hover.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: NDArray[np.float64]
    row_title: str = ""
    column_title: str = ""
    axis: Axis = field(default_factory=lambda: Axis("share", percent=True))
    diverging: bool = False
    low: float = 0.0
    counts: NDArray[np.int64] | None = None
    counted: str = "rows"

    @property
    def is_wide(self) -> bool:
        """Whether it scrolls on a phone, where its cells would be too small."""
        return len(self.rows) > MOST_NARROW

    @property
    def most(self) -> float:
        """The largest value, of either sign; 1 where all are 0."""
        return float(np.nanmax(np.abs(self.values), initial=0.0)) or 1.0

    def draw_for_page(self) -> Plain:
        """Draw a square of values by plotly.js."""
        n_rows, n_columns = self.values.shape
        many = n_rows > MOST_LABELS
        labels = [plotly.escape(name, 16 if n_columns > 10 else 22) for name in self.columns]
        height = 200 + (520 if many else max(240, 27 * n_rows))
        title = {"text": plotly.escape(self.column_title)}
        drawn = plotly.drawing(
            [self.heat_trace()],
            height,
            xaxis={"title": title, "automargin": True, "showgrid": False, "zeroline": False}
            | {"tickvals": [] if many else list(range(n_columns)), "ticktext": [] if many else labels}
            | {"tickangle": -45},
            yaxis={**plotly.name_axis(self.rows), "title": {"text": plotly.escape(self.row_title)}}
            | {"range": [n_rows - 0.5, -0.5]}
            | ({"tickvals": [], "ticktext": []} if many else {}),
        )
        sides = ((self.row_title, self.rows), (self.column_title, self.columns))
        drawn["cells"] = [
            [f"{plotly.escape(title)} {plotly.escape(name, 40)}".strip() for name in names] for title, names in sides
        ]
        return drawn

    def heat_trace(self) -> Plain:
        """Return the coloured cells."""
        n_rows = len(self.values)
        # What is least alike and what is most are both told from the diagonal, which is empty.
        scale = [[0, "var(--faint)" if self.low else "var(--surface)"], [1, "var(--heat)"]]
        if self.diverging:
            scale = [[0, "var(--cool)"], [0.5, "var(--surface)"], [1, "var(--heat)"]]
        trace: Plain = {
            "type": "heatmap",
            "z": [plotly.all_rounded(row) for row in self.values.tolist()],
            "zmin": plotly.rounded(-self.most if self.diverging else self.low),
            "zmax": plotly.rounded(self.most),
            "colorscale": scale,
            "xgap": 1 if n_rows <= MOST_LABELS else 0,
            "ygap": 1 if n_rows <= MOST_LABELS else 0,
            "colorbar": {"thickness": 10, "len": 0.8, "outlinewidth": 0}
            | {"tickformat": "+" if self.diverging else ".0%" if self.axis.percent else ".1f"},
        }
        value = "%{z:+.2f} points" if self.diverging else "%{z:.2%}" if self.axis.percent else "%{z:.3f}"
        counted = ""
        if self.counts is not None:
            trace["customdata"] = self.counts.tolist()
            counted = f"<br>%{{customdata:,}} {plotly.escape(self.counted)}"
        # Who a cell is about is put together by the page: as data it would be by far the most.
        trace["hovertemplate"] = f"%{{hovertext}}<br><b>{value}</b>{counted}<extra></extra>"
        if n_rows <= MOST_NUMBERS:
            trace["texttemplate"] = "%{z:+.1f}" if self.diverging else "%{z:.0%}" if self.axis.percent else "%{z:.2f}"
            trace["textfont"] = {"size": 11, "color": plotly.INK}
        return trace

    def draw_for_file(self) -> "Drawing":
        """Draw a square of values by matplotlib."""
        from matplotlib.colors import LinearSegmentedColormap

        n_rows = len(self.rows)
        side = matplotlib.COLUMN + 0.8 if n_rows <= MOST_LABELS else matplotlib.PAGE * 0.8
        figure = matplotlib.new_figure(side, side * 0.86)
        axes = figure.subplots()
        span = (-self.most, self.most) if self.diverging else (self.low, self.most)
        signed = LinearSegmentedColormap.from_list("signed", [ORANGE, "white", BLUE])
        shades = LinearSegmentedColormap.from_list("shades", [FAINT if self.low else "white", DEEP])
        image = axes.imshow(self.values, cmap=signed if self.diverging else shades, vmin=span[0], vmax=span[1])
        if n_rows <= MOST_LABELS:
            small = matplotlib.SMALL
            axes.set_xticks(range(len(self.columns)), map(matplotlib.fitted, self.columns), rotation=90, fontsize=small)
            axes.set_yticks(range(n_rows), map(matplotlib.fitted, self.rows), fontsize=small)
        if n_rows <= MOST_NUMBERS_FILE:
            self.write_numbers(axes)
        axes.set_xlabel(self.column_title, fontsize=matplotlib.MEDIUM)
        axes.set_ylabel(self.row_title, fontsize=matplotlib.MEDIUM)
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.ax.tick_params(labelsize=matplotlib.SMALL)
        matplotlib.label_values(bar.ax.yaxis, self.axis)
        return figure

    def write_numbers(self, axes: "Axes") -> None:
        """Write a number into each cell, white on dark ones."""
        for row, column in np.ndindex(self.values.shape):
            value = float(self.values[row, column])
            if np.isfinite(value):
                color = "white" if abs(value) - self.low > 0.6 * (self.most - self.low) else "black"
                text = f"{value * 100:.0f}" if self.axis.percent else f"{value:.2f}".replace("0.", ".", 1)
                text = f"{value:+.1f}" if self.diverging else text
                axes.text(column, row, text, ha="center", va="center", fontsize=6, color=color)


def confusions(result: Comparison) -> Figure | None:
    """Show what is taken for what by what to use, the best member and others, and how the first two differ."""
    if not result.rules:
        return None
    entries = confused_rules(result)
    labels, weight = result.scored.true_labels, result.scored.sample_weight
    n_classes = result.predictions.n_classes
    predicted = [entry.proba.argmax(axis=1) for _, entry in entries]
    tables = [confusion_matrix(labels, classes, n_classes) for classes in predicted]
    weighed = tables
    if weight is not None:
        weighed = [confusion_matrix(labels, classes, n_classes, weight) for classes in predicted]
    with np.errstate(invalid="ignore"):
        shares = [table / table.sum(axis=1, keepdims=True) for table in weighed]
    shown = most_confused(tables[0])
    names = [result.predictions.classes[label] for label in shown]
    cells = np.ix_(shown, shown)
    share_axis, points_axis = Axis("share of the label's rows", percent=True), Axis("points")
    views: list[tuple[str, Chart]] = [
        (name, Matrix(names, names, share[cells], "label", "said", share_axis, counts=table[cells]))
        for (name, _), share, table in zip(entries, shares, tables, strict=True)
    ]
    if len(entries) > 1 and entries[1][0] == "best member" and (predicted[0] != predicted[1]).any():
        values, counts = 100 * (shares[0] - shares[1])[cells], (tables[0] - tables[1])[cells]
        difference = Matrix(names, names, values, "label", "said", points_axis, diverging=True, counts=counts)
        views.append((f"{entries[0][0]} minus best member", difference))
    text = (
        "What rows of each class are taken for, in shares of the class: each row of the square adds up to 100 %. The "
        "difference view is in points, and its rows add up to 0: blue, with a plus, is more often, orange less often; "
        "a plus on the diagonal is gained, one beside it a new confusion."
    )
    text += f" Only the {MOST_MATRIX} classes with most errors are drawn." if len(shown) < n_classes else ""
    return Figure("confusion", "What is taken for what", text, views)


def confused_rules(result: Comparison) -> list[tuple[str, RuleScore]]:
    """Return the rule to use, the best member and the other leading rules; the first rule where there is none."""
    entries = [(name, result[name]) for name in leading_rules(result)]
    if result.best_member is not None:
        entries.insert(min(1, len(entries)), ("best member", result.best_member))
    return entries or [(result.rules[0].name, result.rules[0])]


def most_confused(table: NDArray[Any]) -> list[int]:
    """Return all classes, or where they are many those with most errors, in order."""
    if len(table) <= MOST_MATRIX:
        return list(range(len(table)))
    wrong = table.sum(axis=0) + table.sum(axis=1) - 2 * np.diag(table)
    shown: list[int] = sorted(np.argsort(-wrong, kind="stable")[:MOST_MATRIX].tolist())
    return shown


def disagreement(diversity: Diversity, names: Sequence[str]) -> Figure | None:
    """Show how often members say different classes, those that are alike beside one another."""
    if len(names) < 2:
        return None
    order = alike_first(diversity.pairs["different"])
    ordered = [names[member] for member in order]
    cells = np.ix_(order, order)
    views: list[tuple[str, Chart]] = []
    for label, key in (("different class", "different"), ("both wrong", "double-fault")):
        values = np.array(diversity.pairs[key][cells], dtype=np.float64)
        np.fill_diagonal(values, np.nan)
        share = Axis("share of rows", percent=True)
        views.append((label, Matrix(ordered, ordered, values, axis=share, low=float(np.nanmin(values)))))
    kappa = diversity.pairs["excess-agreement"][cells].copy()
    np.fill_diagonal(kappa, np.nan)
    if np.isfinite(kappa).any():
        axis = Axis("agreement κ beyond what accuracies imply")
        views.append(("beyond accuracy", Matrix(ordered, ordered, kappa, axis=axis, low=float(np.nanmin(kappa)))))
    text = (
        "In what share of the rows two members say different classes; in the other views, in what share both are "
        "wrong, and how far they agree beyond what their accuracies imply: κ is 0 if errors are independent, 1 for "
        "copies. Members that are alike stand together."
    )
    text += f" {alike_sentence(diversity, names)}"
    return Figure("diversity", "Who errs alike", text, views)


def alike_sentence(diversity: Diversity, names: Sequence[str]) -> str:
    """Say who errs alike and who of these is redundant, or that nobody does."""
    found = " ".join(redundancy_sentences(diversity.redundancy))
    kappa = np.tril(np.nan_to_num(diversity.pairs["excess-agreement"], nan=-1.0), -1) - np.triu(
        np.ones((len(names),) * 2)
    )
    first, second = map(int, np.unravel_index(kappa.argmax(), kappa.shape))
    if found or kappa.max() <= -1:
        return found
    return (
        f"No two err alike beyond what their accuracies imply: {names[second]} and {names[first]} come closest, with "
        f"κ {number(float(kappa.max()), 2)}."
    )


def alike_first(different: NDArray[np.float64]) -> list[int]:
    """Return members in the order of a clustering, so that those that are alike are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(different) < 3:
        return list(range(len(different)))
    distances = squareform(different, checks=False)
    tree = linkage(distances, method="average")
    ordered: list[int] = leaves_list(optimal_leaf_ordering(tree, distances)).tolist()
    return ordered
