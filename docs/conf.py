"""Sphinx configuration; what comes from the code is written first, by ``generate.py`` and ``gallery.py``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import gallery
import generate

import ensembler

project = "ensembler"
author = "The ensembler authors"
copyright = "2026, the ensembler authors"
release = ensembler.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "mathml",
    "dois",
]
html_theme = "furo"
html_math_renderer = "mathml"
html_title = "ensembler"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_theme_options = {name: {"code-font-size": "78%"} for name in ("light_css_variables", "dark_css_variables")}
exclude_patterns = ["_build"]
templates_path: list[str] = []
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
napoleon_numpy_docstring = True
napoleon_use_ivar = False  # as attributes, since names that end in an underscore lose it otherwise
suppress_warnings = ["ref.python"]  # attributes of one name in two classes
autodoc_typehints = "none"
autodoc_member_order = "bysource"
default_role = "code"

generate.write_everything()
gallery.build_pages(generate.newest_source())
