"""Rows that a rule rescues and breaks in each class, against the best member."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ensembler.predictions.diagnosis.changes import RowChanges
from ensembler.predictions.prediction_set import Predictions
from ensembler.report.figures import matplotlib, plotly
from ensembler.report.figures.charts import Axis, Chart, Figure, Plain
from ensembler.report.figures.style import BLUE, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

MOST_CLASSES = 20


@dataclass(frozen=True)
class Gains(Chart):
    """Numbers gained and lost in each class."""

    axis: Axis
    classes: Sequence[str]
    gained: Sequence[int]
    lost: Sequence[int]

    def draw_for_page(self) -> Plain:
        """Draw numbers to either side of 0 by plotly.js."""
        hover = [
            f"<b>{plotly.escape(name, 40)}</b><br>{gained:,} gained, {lost:,} lost: {gained - lost:+,}"
            for name, gained, lost in zip(self.classes, self.gained, self.lost, strict=True)
        ]
        bars, hatched = plotly.bars(hover), {"color": plotly.ORANGE, "pattern": plotly.HATCH}
        ticks = unsigned_ticks(self.gained, self.lost)
        return plotly.drawing(
            [
                {**bars, "x": list(self.gained), "name": "gained", "marker": {"color": plotly.BLUE}},
                {**bars, "x": [-number for number in self.lost], "name": "lost", "marker": hatched},
            ],
            160 + 28 * len(self.classes),
            barmode="overlay",
            xaxis=plotly.value_axis(self.axis, zeroline=True, zerolinecolor=plotly.MUTED, **ticks),
            yaxis=plotly.name_axis(self.classes),
            hovermode="closest",
        )

    def draw_for_file(self) -> "Drawing":
        """Draw numbers to either side of 0 by matplotlib."""
        figure = matplotlib.new_figure(matplotlib.PAGE * 0.72, 0.8 + 0.24 * len(self.classes))
        axes = matplotlib.frameless(figure.subplots())
        places = np.arange(len(self.classes))
        axes.barh(places, self.gained, 0.7, color=BLUE, label="gained")
        axes.barh(places, -np.asarray(self.lost), 0.7, color=ORANGE, hatch="///", edgecolor="white", label="lost")
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
        matplotlib.label_names(axes, self.classes)
        matplotlib.label_values(axes.xaxis, self.axis)
        matplotlib.add_legend(axes)
        return figure


def unsigned_ticks(right: Sequence[int], left: Sequence[int]) -> Plain:
    """Return ticks that have no sign on either side of 0."""
    most = max(*right, *left, 1)
    step = next(step for power in range(12) for step in (10**power, 2 * 10**power, 5 * 10**power) if 3 * step >= most)
    places = list(range(-3 * step, 4 * step, step))
    return {"tickvals": places, "ticktext": [f"{abs(place):,}" for place in places]}


def gains(all_changes: Sequence[RowChanges], data: Predictions) -> Figure | None:
    """Show in which classes rows were rescued and broken against the best member."""
    drawn = [changes for changes in all_changes if changes.pair.b + changes.pair.c]
    if not drawn:
        return None
    views: list[tuple[str, Chart]] = [(changes.first, gains_of(changes)) for changes in drawn]
    first, cut = drawn[0], max(0, data.n_classes - MOST_CLASSES)
    text = (
        f"Against the best member, {first.first} is right about {first.pair.b:,} rows that were wrong and wrong about "
        f"{first.pair.c:,} that were right, of {first.pair.n_rows:,}."
    )
    text += " Rows are counted; their weights play no part here." if data.sample_weight is not None else ""
    text += f" {cut} classes that changed least are not drawn." if cut else ""
    return Figure("changes", "Rows rescued and broken", text, views)


def gains_of(changes: RowChanges) -> Gains:
    """Return what was gained and lost in each class, or where they are many in those that changed most."""
    labels = list(range(len(changes.by_class)))
    if len(labels) > MOST_CLASSES:
        by_size = sorted(labels, key=lambda label: -changes.by_class[label].gained - changes.by_class[label].lost)
        labels = sorted(by_size[:MOST_CLASSES])
    shown = [changes.by_class[label] for label in labels]
    return Gains(
        Axis("rows lost and gained"),
        [change.name for change in shown],
        [change.gained for change in shown],
        [change.lost for change in shown],
    )
