"""Drawing any chart, for a page or as a file fit for a paper."""

from pathlib import Path
from typing import TYPE_CHECKING

from ensembler.errors import UsageError
from ensembler.predictions.files import writing
from ensembler.report.figures.charts import Chart, Plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

FORMATS = ("png", "svg", "pdf")


def draw_for_page(chart: Chart) -> Plain:
    """Return traces and layout of a chart, as plain values for plotly.js; ``stacked`` is a layout for narrow pages."""
    drawn = chart.draw_for_page()
    for layout in (drawn["layout"], drawn.get("stacked")):
        if layout is not None:
            layout.setdefault("showlegend", any(trace.get("name") for trace in drawn["data"]))
    return drawn


def draw_for_file(chart: Chart, title: str = "") -> "Drawing":
    """Draw a chart by matplotlib, with a title where one is given."""
    figure = chart.draw_for_file()
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    return figure


def check_format(path: Path) -> None:
    """Refuse file names that do not end in a known format."""
    if path.suffix.removeprefix(".") not in FORMATS:
        raise UsageError(f"{path}: expected a figure that ends in .png, .svg or .pdf")


def save_figure(figure: "Drawing", path: Path) -> None:
    """Write a figure as a whole; SVG keeps its text as text. The same figure gives the same bytes."""
    import matplotlib as mpl

    check_format(path)
    kind = path.suffix.removeprefix(".")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ensembler"}), writing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=200, metadata=metadata)
