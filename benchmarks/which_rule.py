"""Which rule, in general? Ranks all rules over many prediction sets, and writes what comes out.

    python benchmarks/which_rule.py --sets FOLDER [--cache DIR] [--jobs 2]
    python benchmarks/which_rule.py --page

The first command ranks by accuracy and by log loss over the prediction sets in FOLDER (made by ``corpus.py``) and the
bundled ones of FER2013, writes ``results/rank.json``, ``results/rank-log-loss.json`` and the figures, then the page,
which the second command writes from the results alone.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from which_rule_page import write_page

from ensembler import Predictions, load_predictions
from ensembler.combiners.families import ALL
from ensembler.combiners.registry import family_rules
from ensembler.parallel.workers import process_pool
from ensembler.predictions import bundled
from ensembler.ranking.rank import rank_rules
from ensembler.ranking.results import Ranking
from ensembler.report.ranking_page import write_figures

HERE = Path(__file__).parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs"
PAGE, STATIC = DOCS / "explanation" / "which-rule.md", DOCS / "_static"
FILES = {"accuracy": "rank.json", "log-loss": "rank-log-loss.json"}
CLUSTER = r"^(.+)-\d+$"
FIGURES = {"effects.svg": "which-rule.svg", "ranks.svg": "which-rule-ranks.svg"}


def load_sets(folder: Path) -> dict[str, Predictions]:
    """Load the corpus and the bundled sets."""
    folders = {path.name: path for path in sorted(folder.iterdir()) if (path / "labels.npy").exists()}
    folders |= {"fer2013-0": bundled.study_folder(), "fer2013-1": bundled.published_folder()}
    with warnings.catch_warnings():
        # Members that are right in every row, and copies: real data have them.
        warnings.simplefilter("ignore")
        return {name: load_predictions(path) for name, path in folders.items()}


def rank(sets: dict[str, Predictions], metric: str, cache: Path | None, jobs: int) -> Ranking:
    """Rank by a metric, with a progress bar."""
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(metric, total=len(sets))
        return rank_rules(
            sets,
            family_rules(ALL),
            metric=metric,
            cluster=CLUSTER,
            cache_folder=cache,
            workers=lambda: process_pool(jobs),
            progress=lambda done, total, _name: bar.update(task, completed=done, total=total),
        )


def write_everything(folder: Path, cache: Path | None, jobs: int) -> None:
    """Rank by both metrics; write results and figures."""
    sets = load_sets(folder)
    for metric, name in FILES.items():
        ranking = rank(sets, metric, cache, jobs)
        text = json.dumps(ranking.to_dict(), indent=1, ensure_ascii=False)
        (RESULTS / name).write_text(text + "\n", encoding="utf-8")
        print("\n".join(ranking.sentences))
        if metric == "accuracy":
            drawn = {path.name: path for path in write_figures(ranking, STATIC / "generated" / "which-rule")}
            for source, target in FIGURES.items():
                (STATIC / target).write_bytes(drawn[source].read_bytes())


def read_results() -> dict[str, object]:
    """Read every result that the page tells of, by the name of its file."""
    found = {}
    for name in ("rank", "rank-log-loss", "choosing", "peers"):
        path = RESULTS / f"{name}.json"
        found[name] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Rank and write, or only write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sets", type=Path, help="folder of prediction sets")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="write the page only")
    options = parser.parse_args(arguments)
    if not options.page:
        if options.sets is None:
            parser.error("give --sets FOLDER, made by corpus.py, or --page")
        write_everything(options.sets, options.cache, options.jobs)
    PAGE.write_text(write_page(read_results()), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
