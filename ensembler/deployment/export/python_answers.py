"""What a program of NumPy has besides probabilities: which rows it answers, and sets of classes."""

from ensembler.deployment.abstention import Abstention
from ensembler.deployment.export.python_text import assignment
from ensembler.deployment.prediction_sets import PredictionSets
from ensembler.deployment.recipe import Recipe
from ensembler.metrics.confidence import DECIMALS

PREDICT = '''
def predict(proba):
    """Return the number of the most probable class of each row, of which CLASSES has the names."""
    return predict_proba(proba).argmax(axis=1)
'''

PREDICT_ANSWERED = '''
THRESHOLD = {threshold!r}


def confidence(proba):
    """Return how confident the ensemble is of each row, from 0 to 1, by {signal}."""
    ensemble = predict_proba(proba)
{lines}


def answered(proba):
    """Return which rows are answered: those of enough confidence."""
    return confidence(proba) >= THRESHOLD


def predict(proba):
    """Return the number of the most probable class of each row, of which CLASSES has the names; -1 for no answer."""
    return np.where(answered(proba), predict_proba(proba).argmax(axis=1), -1)
'''

ENTROPY = '''

def entropy(proba):
    """Return the entropy over the last axis, in nats."""
    return -(proba * np.log(np.where(proba > 0, proba, 1))).sum(axis=-1)
'''

SETS = '''
{quantiles}


def prediction_sets(proba):
    """Return which classes are in the set of each row, (rows, classes), by {score}."""
    ensemble = predict_proba(proba)
{lines}
'''

MEMBERS = "members = np.asarray(proba, dtype=np.float64)[{used}]"
BY_SIGNAL = {
    "top-probability": ["sure = ensemble.max(axis=1)"],
    "margin": ["largest = np.sort(ensemble, axis=1)", "sure = largest[:, -1] - largest[:, -2]"],
    "entropy": ["sure = np.clip(1 - entropy(ensemble) / np.log(len(CLASSES)), 0, 1)"],
    "agreement": [MEMBERS, "sure = (members.argmax(axis=2) == ensemble.argmax(axis=1)).mean(axis=0)"],
    "mutual-information": [
        MEMBERS,
        "shared = np.maximum(entropy(members.mean(axis=0)) - entropy(members).mean(axis=0), 0)",
        "sure = np.clip(1 - shared / np.log(len(CLASSES)), 0, 1)",
    ],
}


def answers_code(recipe: Recipe) -> str:
    """Return the functions of a recipe's program that predict, with what it says of answers and sets."""
    used = list(recipe.members_read)
    parts = [PREDICT if recipe.abstention is None else answered_code(recipe.abstention, used)]
    if recipe.prediction_sets is not None:
        parts.append(sets_code(recipe.prediction_sets))
    return "\n\n".join(part.strip() for part in parts)


def answered_code(abstention: Abstention, used: list[int]) -> str:
    """Return the functions that say which rows are answered."""
    signal = abstention.confidence
    lines = [line.format(used=used) for line in BY_SIGNAL[signal]]
    body = indented([*lines, f"return np.round(sure, {DECIMALS})"])
    code = PREDICT_ANSWERED.format(threshold=abstention.threshold, signal=signal, lines=body)
    return code.rstrip() + (ENTROPY if "entropy(" in body else "")


def sets_code(sets: PredictionSets) -> str:
    """Return the function that makes sets."""
    if sets.by_class:
        name, values = "QUANTILES", list(sets.quantiles)
        quantiles = assignment(name, values, "np.array({})").replace("inf", "np.inf")
    else:
        name = "QUANTILE"
        quantiles = f"{name} = {sets.quantiles[0]!r}".replace("inf", "np.inf")
    if sets.score == "lac":
        lines = [f"return 1 - ensemble <= {name}"]
    else:
        lines = [
            'order = np.argsort(-ensemble, axis=1, kind="stable")',
            "ranked = np.take_along_axis(ensemble, order, axis=1)",
            "summed = np.cumsum(ranked, axis=1)",
        ]
        if sets.randomised:
            lines.append(f"summed -= np.random.default_rng([{sets.seed}, 1]).random(len(ranked))[:, None] * ranked")
        if sets.score == "raps":
            lines.append(f"summed += {sets.penalty!r} * np.maximum(np.arange(1, len(CLASSES) + 1) - {sets.free}, 0)")
        lines += ["scores = np.empty_like(summed)", "np.put_along_axis(scores, order, summed, axis=1)"]
        lines.append(f"return scores <= {name}")
    return SETS.format(quantiles=quantiles, score=sets.score, lines=indented(lines))


def indented(lines: list[str]) -> str:
    """Return lines as the body of a function."""
    return "\n".join(f"    {line}" for line in lines)
