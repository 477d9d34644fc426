"""What a comparison shows, in words: the one place where a difference is called noise or not."""

from ensembler.comparison.outcome import PairedTest
from ensembler.metrics import Metric
from ensembler.metrics.intervals import Interval


def format_difference(test: PairedTest, other: str, *, share: bool, swapped: bool = False) -> str:
    """Write a difference with its interval, in percentage points where it is a share.

    Parameters
    ----------
    test : PairedTest
    other : str
        What the rule is compared with.
    share : bool
        Whether the metric's values are shares of rows.
    swapped : bool
        Look at it from the other side: how the other one compares with the rule.
    """
    scale, unit, digits = (100.0, " points", 2) if share else (1.0, "", 4)
    sign = -1.0 if swapped else 1.0
    text = f"no difference from {other}" if other else "no difference"
    if test.difference != 0:
        side = "better" if sign * test.difference > 0 else "worse"
        text = f"{abs(test.difference) * scale:.{digits}f}{unit} {side}" + (f" than {other}" if other else "")
    if test.interval is not None:
        low, high = test.interval if not swapped else (-test.interval[1], -test.interval[0])
        text += f" (95 % interval {format_signed_interval((low, high), scale, digits)})"
    return text


def format_signed_interval(interval: Interval, scale: float, digits: int) -> str:
    """Write an interval of a difference; an end that rounds to 0 has no minus."""
    low, high = (round(end * scale, digits) + 0.0 for end in interval)
    return f"{low:+.{digits}f} to {high:+.{digits}f}"


def noise_word(test: PairedTest) -> str:
    """Say whether a difference can be distinguished from noise."""
    if test.interval is None:
        return "untested"
    return "not noise" if test.significant else "within noise"


def leading_sentence(metric: Metric, name: str, reached: str, tests: list[tuple[str, PairedTest | None]]) -> str:
    """Say what a rule reached, and how it compares with others."""
    clauses = [
        f"{format_difference(test, other, share=metric.share)}, {noise_word(test)}"
        for other, test in tests
        if test is not None
    ]
    text = f"{name}, {reached}"
    return f"{text}: {'; '.join(clauses)}." if clauses else f"{text}."


def advice_sentence(
    metric: Metric, recommended: str, chosen: str, to_chosen: PairedTest, *, simplest: bool, alone: bool
) -> str:
    """Say which rule to use, and why it rather than the chosen one."""
    if recommended != chosen:
        lead = format_difference(to_chosen, chosen, share=metric.share)
        return f"Use {recommended}: it is simpler, and {lead} is {noise_word(to_chosen)}."
    if alone:
        return f"Use {recommended}."
    if simplest:
        return f"Use {recommended}: there is no simpler rule."
    return f"Use {recommended}: every simpler rule here is shown to be worse."


def one_model_sentence(metric: Metric, recommended: str, member: str, test: PairedTest, *, use: bool) -> str:
    """Say that one model alone is better than the recommended rule, or may do as well."""
    lead = f"{format_difference(test, recommended, share=metric.share)} is {noise_word(test)}"
    return f"Use one model alone, {member}: {lead}." if use else f"One model, {member}, may do as well: {lead}."


def untested_sentences(chosen: str, reached: str, why: str) -> tuple[str, ...]:
    """Say what was chosen where nothing can be tested."""
    return f"{chosen}, {reached}.", f"Whether it differs from simpler rules is untested: {why}."


def optimistic_sentences(chosen: str, reached: str) -> tuple[str, ...]:
    """Say that figures on the rows that were fitted on prove nothing."""
    return (
        f"{chosen} reached {reached} on the rows that it was fitted and chosen on.",
        "Nothing follows for other rows: fit elsewhere (validation rows, or cross-fitting).",
    )
