"""What a comparison shows, in words: the one place where a difference is called noise or not."""

from collections.abc import Sequence

from ensembler.comparison.outcome import Advice, PairedTest, ShownBetter
from ensembler.comparison.protocol import Protocol
from ensembler.errors import setting
from ensembler.metrics import METRICS, Metric
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
        text = f"{fraction(abs(test.difference) * scale, digits, points=share)}{unit} {side}" + (
            f" than {other}" if other else ""
        )
    if test.interval is not None:
        low, high = test.interval if not swapped else (-test.interval[1], -test.interval[0])
        text += f" (95 % interval {format_signed_interval((low, high), share=share)})"
    return text


def format_signed_interval(interval: Interval, *, share: bool) -> str:
    """Write an interval of a difference; an end that rounds to 0 has no minus."""
    scale, digits = (100.0, 2) if share else (1.0, 4)
    ends = (round(end * scale, digits) + 0.0 for end in interval)
    return " to ".join(fraction(end, digits, points=share, sign=True) for end in ends)


def fraction(value: float, digits: int, *, points: bool = False, sign: bool = False) -> str:
    """Write a number: without a zero before the point, unless it is in percentage points, which may be above 1.

    >>> fraction(0.0312, 4), fraction(0.31, 2, points=True), fraction(-0.5, 2, sign=True)
    ('.0312', '0.31', '-.50')
    """
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text if points or not text.lstrip("+-").startswith("0.") else text.replace("0.", ".", 1)


def noise_word(test: PairedTest) -> str:
    """Say whether a difference can be distinguished from noise."""
    if test.interval is None:
        return "untested"
    return "not noise" if test.significant else "within noise"


def format_value(metric: Metric, value: float) -> str:
    """Write what a rule reached."""
    return f"{metric.name} {fraction(value, 4)}"


def best_member_in_words(name: str | None) -> str:
    """Name the best single model, where it is known."""
    return "the best single model" + (f", {name}" if name else "")


def standing(
    advice: Advice,
    reached: str,
    tests: Sequence[tuple[str, PairedTest | None]],
    metric: Metric,
    *,
    optimistic: bool,
    untested: str | None,
) -> str:
    """Name the rule to use, and say what it gains over others on the scored rows: what follows on "Use"."""
    name = "the best single model alone" if advice.rule == "best-member" else advice.rule
    if optimistic:
        return f"{name}: {reached}, on rows that it was fitted on, from which nothing follows for other rows."
    clauses = [lead_clause(test, other, metric) for other, test in tests if test is not None]
    text = "; ".join([f"{name}: {reached}", *clauses])
    return f"{text}. Differences are untested: {untested}." if untested else f"{text}."


def lead_clause(test: PairedTest, other: str, metric: Metric) -> str:
    """Say how a rule compares with another, and where the two cannot be told apart."""
    if test.interval is None or test.significant or test.unconfirmed:
        return format_difference(test, other, share=metric.share) + unconfirmed(test)
    return f"it cannot be told apart from {other}: {format_difference(test, '', share=metric.share)}"


def unconfirmed(test: PairedTest) -> str:
    """Say that an interval excludes 0, and McNemar's test does not confirm it; nothing otherwise."""
    if not test.unconfirmed or test.p_value is None:
        return ""
    return f", which McNemar's test does not confirm (p {format_p_value(test.p_value)})"


def format_p_value(value: float) -> str:
    """Write a p-value; a small one as a bound."""
    return "<.001" if value < 0.001 else f"{value:.3f}".replace("0.", ".", 1)


def reason_sentences(advice: Advice, metric: Metric) -> list[str]:
    """Say why that rule, and what to know about it."""
    better = advice.shown_better
    sentences = [default_sentence(advice) if better is None else better_sentence(advice.default, better, metric)]
    if advice.below_best_member is not None:
        amount = format_amount(advice.below_best_member, metric)
        sentences.append(f"Cross-fitted on the fitting rows, it is {amount} worse than the best single model.")
    if advice.unused:
        sentences.append(f"It does not use {', '.join(advice.unused)}, which can be left out.")
    if advice.only_decisions:
        sentences.append(
            f"Its probabilities are not calibrated: use its decisions, or {setting('calibrate', 'ensemble')}."
        )
    return sentences


def better_sentence(default: str, better: ShownBetter, metric: Metric) -> str:
    """Say what the default yields to."""
    amount = format_amount(better.gain.value, metric)
    same = ", which are the scored ones, so that its lead there is optimistic" if better.on_scored_rows else ""
    p_value = format_p_value(better.p_value)
    how = f"over {better.repeats} cross-fittings (p {p_value}, adjusted for {better.n_rules} rules)"
    return (
        f"{default} is the best on average over other sets, but here {better.rule} is shown to be better on the "
        f"fitting rows{same}: by {amount} {how}."
    )


def format_amount(value: float, metric: Metric) -> str:
    """Write an amount of a metric, in percentage points where it is a share."""
    return f"{value * 100:.2f} points" if metric.share else fraction(value, 4)


def default_sentence(advice: Advice) -> str:
    """Say what the default rests on."""
    if advice.best_known is None:
        return "It has the best cross-fitted score here; what other sets say of these rules is not known."
    if advice.fallback is not None:
        return f"{advice.best_known} is the best on average over other sets, but {advice.fallback}."
    gains = [
        f"{name.replace('-', ' ')} {format_amount(gain.average, METRICS[name])}" for name, gain in advice.gains.items()
    ]
    measured = f" ({' and '.join(gains)} better than the mean's)" if gains else ""
    unknown = f"; nothing is known of {', '.join(advice.unknown)}" if advice.unknown else ""
    return f"Of these rules, it is the best on average over {advice.n_sets} other sets{measured}{unknown}."


def chosen_sentence(advice: Advice, chosen: str, reached: str, protocol: Protocol) -> str:
    """Say which rule came out best by cross-fitting here, and how often it pays to go by that."""
    text = f"{chosen}, {protocol.how_chosen}, reached {reached}"
    tally = advice.choosing
    if tally is None:
        return f"{text}."
    n_sets = tally.wins + tally.ties + tally.losses
    how_often = f"better than {advice.default} on {tally.wins} of {n_sets} sets, worse on {tally.losses}"
    return f"{text}; going by that was {how_often}."
