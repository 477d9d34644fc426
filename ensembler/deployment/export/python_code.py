"""A fitted ensemble as one Python file that needs nothing but NumPy."""

import json
import textwrap
from functools import singledispatch
from typing import Any

from numpy.typing import NDArray

from ensembler import serialization
from ensembler.combiners.product_rule import PROBABILITY_CLIP
from ensembler.combiners.stacked import FEATURE_CLIP
from ensembler.deployment.export import formulas
from ensembler.deployment.export.formulas import Formula, formula_of
from ensembler.deployment.export.python_answers import answers_code
from ensembler.deployment.export.python_text import assignment
from ensembler.deployment.recipe import Recipe

HELPERS = {
    "divided": '''
def divided(scores):
    """Return rows of scores divided by their sums; a row of zeros becomes uniform."""
    totals = scores.sum(axis=1, keepdims=True)
    empty = totals == 0
    return with_winner_of(np.where(empty, 1 / scores.shape[1], scores / np.where(empty, 1, totals)), scores)
''',
    "softmax": '''
def softmax(scores):
    """Return exp(scores) divided by their sums over the last axis."""
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return with_winner_of(exponentials / exponentials.sum(axis=-1, keepdims=True), scores)
''',
    "with_winner_of": '''
def with_winner_of(proba, scores):
    """Raise the winner of the scores by one unit in the last place where rounding has made it tie."""
    winner = scores.argmax(axis=-1)
    rows = np.flatnonzero(proba.argmax(axis=-1) != winner)
    proba[rows, winner[rows]] = np.nextafter(proba[rows].max(axis=-1), np.inf)
    return proba
''',
    "at_temperature": '''
def at_temperature(proba, temperature):
    """Return softmax(log p / T), whose winner is that of p."""
    scores = np.log(np.maximum(proba, 1e-15)) / temperature
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return with_winner_of(exponentials / exponentials.sum(axis=-1, keepdims=True), proba)
''',
    "lowered": '''
def lowered(proba, winner):
    """Return probabilities in which no class is above the winner's: what a group gives to a vote."""
    rows = np.arange(len(proba))
    of_winner = proba[rows, winner]
    proba = np.minimum(proba, np.nextafter(of_winner, -np.inf)[:, None])
    proba[rows, winner] = of_winner
    return proba
''',
}
NEEDS = {"divided": ("with_winner_of",), "softmax": ("with_winner_of",), "at_temperature": ("with_winner_of",)}

HEADER = '''"""The ensemble {rule} of {n_members} members and {n_classes} classes, in NumPy.

Written by ensembler {version}; nothing but NumPy is needed. predict_proba(proba) takes the members' probabilities as an
array (members, rows, classes), members in the order of MEMBERS and classes in that of CLASSES.
"""

import numpy as np

{members}
{classes}


def predict_proba(proba):
    """Return the ensemble's probabilities, (rows, classes), of those of its members, (members, rows, classes)."""
    proba = np.asarray(proba, dtype=np.float64)
    if proba.ndim != 3 or (proba.shape[0], proba.shape[2]) != ({n_members}, {n_classes}):
        expected = "({n_members}, rows, {n_classes}), members in the order " + ", ".join(MEMBERS)
        raise ValueError(f"proba has shape {{proba.shape}}, expected {{expected}}")
    if not np.isfinite(proba).all() or (proba < 0).any():
        raise ValueError("proba holds values that are no probabilities")
    return {function}(proba)


{predict}
'''


def python_code(recipe: Recipe) -> str:
    """Return the program of a recipe.

    Raises
    ------
    NotApplicableError
        The rule is of a kind that cannot be written so.

    Examples
    --------
    >>> from ensembler import SimpleAverage
    >>> recipe = Recipe(SimpleAverage().fit([[[0.5, 0.5]]]), ("a",), (False,), 2)
    >>> names = {}
    >>> exec(python_code(recipe), names)
    >>> names["predict_proba"]([[[0.25, 0.75]]])
    array([[0.25, 0.75]])
    """
    program = Program()
    whole = Function(program, "ensemble")
    whole.write(*lines_of(formula_of(recipe.rule), whole))
    classes = recipe.class_names or tuple(map(str, range(recipe.n_classes)))
    header = HEADER.format(
        rule=json.dumps(recipe.rule.to_text()).replace("\\", "\\\\").replace('"', "'"),
        n_members=recipe.n_members,
        n_classes=recipe.n_classes,
        version=serialization.__version__,
        members=assignment("MEMBERS", list(recipe.names)),
        classes=assignment("CLASSES", list(classes)),
        function=whole.name,
        predict=answers_code(recipe),
    )
    helpers = [text for name, text in HELPERS.items() if name in program.helpers]
    return "\n\n".join([header.rstrip() + "\n", *program.parts, *(text.strip() + "\n" for text in helpers)])


class Program:
    """The functions and constants of a program, as they are written."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.helpers: set[str] = set()
        self.n_of: dict[str, int] = {}

    def free(self, name: str) -> str:
        """Return a name that is not taken."""
        self.n_of[name] = self.n_of.get(name, 0) + 1
        return name if self.n_of[name] == 1 else f"{name}_{self.n_of[name]}"


class Function:
    """A function of a program that is being written, and whose constants and inner functions bear its name."""

    def __init__(self, program: Program, name: str) -> None:
        self.program, self.name = program, program.free(name)

    def add(self, formula: Formula, name: str) -> str:
        """Write a function that returns a formula's probabilities, and return what it is called."""
        inner = Function(self.program, f"{self.name}_{name}")
        inner.write(*lines_of(formula, inner))
        return inner.name

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Write an array of numbers, and return what it is called."""
        name = self.program.free(f"{self.name}_{name}".upper())
        self.program.parts.append(assignment(name, array.tolist(), "np.array({})") + "\n")
        return name

    def use(self, *helpers: str) -> None:
        """Take up functions that many formulas call."""
        for helper in helpers:
            self.program.helpers.update((helper, *NEEDS.get(helper, ())))

    def write(self, title: str, *lines: str) -> None:
        """Write the function."""
        body = textwrap.indent("\n".join([f'"""{title}"""', *lines]), "    ")
        self.program.parts.append(f"def {self.name}(proba):\n{body}\n")


@singledispatch
def lines_of(formula: Any, here: Function) -> list[str]:
    """Return the title and the lines of a function that returns a formula's probabilities."""
    raise TypeError(f"{here.name}: no code for {formula!r}")


@lines_of.register
def _(formula: formulas.WeightedSum, here: Function) -> list[str]:
    weights = here.constant("weights", formula.weights)
    here.use("divided")
    axes, each = ("mc", "member and class") if formula.weights.ndim == 2 else ("m", "member")
    return [f"Mean with one weight a {each}.", f'return divided(np.einsum("{axes},mnc->nc", {weights}, proba))']


@lines_of.register
def _(formula: formulas.LogSum, here: Function) -> list[str]:
    weights = here.constant("weights", formula.weights)
    bias = here.constant("bias", formula.bias)
    here.use("softmax")
    scores = f'{bias} + np.einsum("m,mnc->nc", {weights}, np.log(np.maximum(proba, {PROBABILITY_CLIP!r})))'
    divided = "" if formula.temperature == 1 else f" / {formula.temperature!r}"
    return [
        "Product of the members' probabilities, each to the power of its weight.",
        f"scores = {scores}",
        f"return softmax(scores{divided})",
    ]


@lines_of.register
def _(formula: formulas.Plurality, here: Function) -> list[str]:
    here.use("divided")
    vote = f"{formula.n_members + 1} + member[rows, winner]" if formula.by_confidence else "1"
    ties = "the more confident voters" if formula.by_confidence else "the lowest class"
    return [
        f"Most votes; ties go to {ties}.",
        "rows, scores = np.arange(proba.shape[1]), np.zeros(proba.shape[1:])",
        "for member in proba:",
        "    winner = member.argmax(axis=1)",
        f"    scores[rows, winner] += {vote}",
        "return divided(scores)",
    ]


@lines_of.register
def _(formula: formulas.VoteSum, here: Function) -> list[str]:
    values = here.constant("values", formula.values)
    bias = here.constant("log_priors", formula.bias)
    here.use("softmax")
    return [
        "Votes that count as much as their members are accurate, with the classes' priors.",
        f"rows, scores = np.arange(proba.shape[1]), np.tile({bias}, (proba.shape[1], 1))",
        f"for member, value in zip(proba, {values}):",
        "    scores[rows, member.argmax(axis=1)] += value",
        "return softmax(scores)",
    ]


@lines_of.register
def _(formula: formulas.VoteTable, here: Function) -> list[str]:
    values = here.constant("vote_values", formula.values)
    bias = here.constant("log_priors", formula.bias)
    here.use("softmax")
    return [
        "What each member's vote says of every class, with the classes' priors.",
        f"scores = np.tile({bias}, (proba.shape[1], 1))",
        f"for member, value in zip(proba, {values}):",
        "    scores += value[member.argmax(axis=1)]",
        "return softmax(scores)",
    ]


@lines_of.register
def _(formula: formulas.Ranks, here: Function) -> list[str]:
    here.use("divided")
    return [
        "How many classes each class beats, summed over members; ties count half.",
        "scores = np.zeros(proba.shape[1:])",
        "for member in proba:",
        f"    for number in range({formula.n_classes}):",
        "        own = member[:, number : number + 1]",
        "        scores[:, number] += (member < own).sum(axis=1) + ((member == own).sum(axis=1) - 1) / 2",
        "return divided(scores)",
    ]


@lines_of.register
def _(formula: formulas.SortedMean, here: Function) -> list[str]:
    here.use("divided")
    return [
        f"Mean of the sorted probabilities of each class, numbers {formula.first} to {formula.last - 1}.",
        f"return divided(np.sort(proba, axis=0)[{formula.first}:{formula.last}].mean(axis=0))",
    ]


@lines_of.register
def _(formula: formulas.Logistic, here: Function) -> list[str]:
    mean, scale, coefficients, intercepts = (
        here.constant(what, getattr(formula, what)) for what in ("mean", "scale", "coefficients", "intercepts")
    )
    seen = list(formula.seen)
    here.use("divided")
    if len(seen) == 2:
        proba = ["of_second = np.exp(-np.logaddexp(0, -decision[:, 0]))"]
        proba += ["seen = np.stack([1 - of_second, of_second], axis=1)"]
    else:
        here.use("softmax")
        proba = ["seen = softmax(decision)"]
    return [
        "Logistic regression on standardised log probabilities.",
        f"features = np.log(np.maximum(proba, {FEATURE_CLIP!r})).transpose(1, 0, 2).reshape(proba.shape[1], -1)",
        f"decision = (features - {mean}) / {scale} @ {coefficients}.T + {intercepts}",
        *proba,
        "scores = np.zeros(proba.shape[1:])",
        f"scores[:, {seen}] = seen",
        "return divided(scores)",
    ]


@lines_of.register
def _(formula: formulas.Mixture, here: Function) -> list[str]:
    parts = [here.add(part, "part") for part in formula.parts]
    here.use("divided")
    terms = [f"{weight!r} * {part}(proba)" for weight, part in zip(formula.weights.tolist(), parts, strict=True)]
    return ["Weighted mean of several rules' probabilities.", f"return divided({' + '.join(terms)})"]


@lines_of.register
def _(formula: formulas.Heated, here: Function) -> list[str]:
    inner = here.add(formula.inner, "inner")
    here.use("at_temperature")
    return ["The probabilities at a temperature.", f"return at_temperature({inner}(proba), {formula.temperature!r})"]


@lines_of.register
def _(formula: formulas.HeatedMembers, here: Function) -> list[str]:
    inner = here.add(formula.inner, "inner")
    temperatures = here.constant("temperatures", formula.temperatures)
    here.use("at_temperature")
    heated = f"[at_temperature(member, temperature) for member, temperature in zip(proba, {temperatures})]"
    return [
        "The same of members that are each at a temperature.",
        f"heated = {heated}",
        f"return {inner}(np.stack(heated))",
    ]


@lines_of.register
def _(formula: formulas.Shifted, here: Function) -> list[str]:
    inner = here.add(formula.inner, "inner")
    shift = here.constant("shift", formula.shift)
    here.use("softmax")
    return [
        "The probabilities, shifted against the classes' priors.",
        'with np.errstate(divide="ignore"):',
        f"    return softmax(np.log({inner}(proba)) - {shift})",
    ]


@lines_of.register
def _(formula: formulas.Grouped, here: Function) -> list[str]:
    inner = here.add(formula.inner, "inner")
    groups = [passing(group, here) for group in formula.groups]
    inputs = ", ".join(f"{group}(proba)" for group in groups)
    return ["What is made of the groups' outputs.", f"return {inner}(np.stack([{inputs}]))"]


@lines_of.register
def _(formula: formulas.Members, here: Function) -> list[str]:
    inner = here.add(formula.inner, "inner")
    return ["What is made of some of the members.", f"return {inner}(proba[{list(formula.numbers)}])"]


def passing(formula: "formulas.Grouped | formulas.Members", above: Function) -> str:
    """Write a function that returns what a group passes on to the level above; return what it is called."""
    here = Function(above.program, f"{above.name}_group")
    if isinstance(formula, formulas.Grouped):
        inputs = f"np.stack([{', '.join(f'{passing(group, here)}(proba)' for group in formula.groups)}])"
    else:
        inputs = f"proba[{list(formula.numbers)}]"
    inner = here.add(formula.inner, "inner")
    output = f"{inner}(inputs)"
    if isinstance(formula.inner, formulas.Plurality):
        here.use("divided")
        output = "divided(inputs.sum(axis=0))"
    if formula.lowered:
        here.use("lowered")
        output = f"lowered({output}, {inner}(inputs).argmax(axis=1))"
    here.write("What a group passes on to the level above.", f"inputs = {inputs}", f"return {output}")
    return here.name
