"""The part of plotly.js that pages are drawn with, as it is in the package.

It is the published bundle of charts with two axes, a third of the whole; ``docs/fetch_plotly.py`` puts it here from the
npm registry.
"""

from importlib.resources import files

PACKAGE, VERSION = "plotly.js-cartesian-dist-min", "4.1.1"
INTEGRITY = "sha512-o8GrFeusncwBIxbBynRJpY4pkgVB6caM+JLpwrLYbbsO7dZ8FJ+SVN2Fr+L7kiG/Z6w4P5O0Jus/Qr5EefHVeg=="
"""Of the package's archive, as the registry has it."""
SCRIPT, LICENCE = "plotly-cartesian.min.js", "plotly.LICENSE"
SHA256 = {
    SCRIPT: "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a",
    LICENCE: "8c45d9eaf50c2f72dd9c7ab9ef440788ba58a3538484b5c51c1f17d5128752e7",
}
"""Of the files."""
TRACES = ("bar", "heatmap", "scatter")
"""The kinds of charts that figures are made of, all of them in the bundle."""


def plotly_script() -> str:
    """Read the script."""
    return files("ensembler.report").joinpath("templates", SCRIPT).read_text(encoding="utf-8")
