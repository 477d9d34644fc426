"""One self-contained HTML page of everything known about a prediction set, and its figures as files."""

from collections.abc import Callable
from pathlib import Path

from ensembler.comparison.results import Comparison
from ensembler.predictions.files import write_text
from ensembler.report import bench
from ensembler.report.answer import answer
from ensembler.report.cards import cards
from ensembler.report.headline import headline
from ensembler.report.layout import Page, render_page, require_report, write_section_figures
from ensembler.report.sections import sections
from ensembler.report.survey import Survey
from ensembler.report.tables import count
from ensembler.subsets.describe import summarize_search, summarize_study


def render(survey: Survey, title: str | None = None, command: str | None = None) -> str:
    """Return the page as text.

    Parameters
    ----------
    survey : Survey
        What of it is None has no section.
    title : str, optional
    command : str, optional
        The command line that makes the page again, for the page to tell.
    """
    require_report()
    result = survey.comparison
    errors = [finding for finding in survey.findings or () if finding.severity == "error"]
    found = answer(survey)
    return render_page(
        Page(
            title=title or found.title,
            answer=found.sentence,
            rule=found.rule,
            heading=title,
            facts=set_facts(result),
            reasons=reasons(survey),
            cards=cards(survey),
            sections=sections(survey, command),
            alarms=[(finding.severity, finding.message) for finding in errors],
        )
    )


def set_facts(result: Comparison) -> str:
    """Say how many members, scored rows and classes there are."""
    data = result.predictions
    members, rows = count(data.n_members, "member"), count(result.scored.n_samples, "scored row")
    return f"{members}, {rows}, {data.n_classes} classes"


def reasons(survey: Survey) -> list[str]:
    """Return why to use that and what else could be used, a paragraph a sentence.

    Where committees were tried, the first sentence is that of ``ensembler subsets``.
    """
    result = survey.comparison
    advice, reservations = bench.advice(result), bench.reservations(result)
    use = survey_headline(survey)
    if use is not None and result.verdict is not None:
        advice = [use, f"With all members, {result.verdict.standing}", *result.verdict.reasons]
    if result.verdict is None:
        return [" ".join([*advice, *reservations])]
    return [*advice, *([" ".join(reservations)] if reservations else [])]


def survey_headline(survey: Survey) -> str | None:
    """Return the sentence that says what to use, where committees were tried."""
    if survey.study is not None:
        summary = summarize_study(survey.study)
        return headline(summary.advice, summary.rules, len(summary.members))
    if survey.search is not None:
        found = summarize_search(survey.search)
        return headline(found.advice, found.rules, len(found.members))
    return None


def write_page(survey: Survey, path: Path, title: str | None = None, command: str | None = None) -> None:
    """Write the page; an older file stays until the new one is whole."""
    write_text(path, render(survey, title, command))


def write_figures(
    survey: Survey, folder: Path, suffix: str = "svg", then: Callable[[], object] | None = None
) -> list[Path]:
    """Write every view of every figure as a file fit for a paper, and return the files.

    Parameters
    ----------
    suffix : "svg", "png" or "pdf"
    then : callable, optional
        Called once all files are there, as `ensembler.predictions.files.writing_files` says.
    """
    optimistic = survey.comparison.protocol.optimistic
    return write_section_figures(sections(survey), folder, suffix, titled=optimistic, then=then)
