"""A fitted ensemble as an ONNX graph, to stand behind its members' networks.

The graph takes the members' probabilities side by side, float32 (N, M·C) with the classes of the first member first,
and returns the ensemble's, float32 (N, C). In between it computes in float64, so that only rounding the result matters.
"""

import json
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ensembler import serialization
from ensembler.combiners.product_rule import PROBABILITY_CLIP
from ensembler.combiners.stacked import FEATURE_CLIP
from ensembler.deployment.export import formulas
from ensembler.deployment.export.formulas import formula_of
from ensembler.deployment.recipe import Recipe
from ensembler.errors import NotApplicableError, UsageError, spelled

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 17, 8
INPUT, OUTPUT = "member_probabilities", "probabilities"


def onnx_model(recipe: Recipe) -> "onnx.ModelProto":
    """Return the graph of a recipe; its metadata name the members and the classes in the order of the columns.

    Raises
    ------
    UsageError
        The package onnx is not installed.
    NotApplicableError
        The rule is of a kind that has no graph, or the recipe leaves rows without an answer or has sets.
    """
    try:
        from onnx import TensorProto, checker, helper
    except ImportError as error:
        raise UsageError("an ONNX graph needs onnx; pip install 'ensembler-bench[onnx]'") from error
    recipe.require_plain("an ONNX graph")
    n_members, n_classes = recipe.n_members, recipe.n_classes
    graph = Graph(recipe.rule.name)
    members = graph.node("Cast", INPUT, to=TensorProto.DOUBLE)
    members = graph.node("Reshape", members, graph.constant([-1, n_members, n_classes], np.int64))
    result = probabilities(formula_of(recipe.rule), graph, members)
    graph.nodes.append(helper.make_node("Cast", [result], [OUTPUT], to=TensorProto.FLOAT))
    made = helper.make_graph(
        graph.nodes,
        "ensemble",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", n_members * n_classes])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", n_classes])],
        graph.constants,
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="ensembler",
        producer_version=serialization.__version__,
        doc_string=f"{recipe.rule.to_text()}: {n_members} members' probabilities side by side to the ensemble's",
    )
    helper.set_model_props(model, metadata_of(recipe))
    checker.check_model(model, full_check=True)
    return model


def metadata_of(recipe: Recipe) -> dict[str, str]:
    """Return what the columns of a graph's input and output are."""
    return {
        "ensembler.rule": recipe.rule.to_text(),
        "ensembler.members": json.dumps(list(recipe.names)),
        "ensembler.classes": json.dumps(list(recipe.class_names or map(str, range(recipe.n_classes)))),
        "ensembler.layout": f"column m * {recipe.n_classes} + c holds the probability that member m gives to class c",
    }


class Graph:
    """The nodes and constants of a graph, as they are made."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: ArrayLike, dtype: Any = np.float64) -> str:
        """Add an array, and return what it is called."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation, and return what its result is called."""
        from onnx import helper

        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def total(self, values: str, axis: int, *, keep: bool = False) -> str:
        """Add a sum over an axis."""
        return self.node("ReduceSum", values, self.constant([axis], np.int64), keepdims=int(keep))

    def log(self, values: str, clip: float) -> str:
        """Add the logarithm of values that are kept from 0."""
        return self.node("Log", self.node("Max", values, self.constant(clip)))

    def divided(self, scores: str, n_classes: int) -> str:
        """Add a division of rows by their sums; rows of zeros become uniform."""
        totals = self.total(scores, 1, keep=True)
        empty = self.node("Equal", totals, self.constant(0.0))
        safe = self.node("Where", empty, self.constant(1.0), totals)
        return self.node(
            "Where", empty, self.constant(np.full((1, n_classes), 1 / n_classes)), self.node("Div", scores, safe)
        )

    def votes(self, members: str, n_classes: int) -> str:
        """Add the (N, M, C) indicators of the members' most probable classes."""
        from onnx import TensorProto

        winners = self.node("ArgMax", members, axis=2, keepdims=1)
        chosen = self.node("Equal", winners, self.constant(np.arange(n_classes)[None, None], np.int64))
        return self.node("Cast", chosen, to=TensorProto.DOUBLE)


REASONS = {
    formulas.Ranks: "it ranks the classes",
    formulas.Grouped: "it groups members",
    formulas.Members: "it groups members",
}
GRAPHS = "means, log-pool, product, votes, median, max, min, trimmed-mean, stacking, blend"


@singledispatch
def probabilities(formula: Any, graph: Graph, _members: str) -> str:
    """Add what a formula makes of (N, M, C) members; return what its (N, C) probabilities are called."""
    reason = REASONS.get(type(formula), f"it computes a {type(formula).__name__}")
    how = spelled("with --format python", "as a program of NumPy")
    raise NotApplicableError(f"{graph.rule} has no ONNX graph: {reason}; export it {how}, or one of: {GRAPHS}")


@probabilities.register
def _(formula: formulas.WeightedSum, graph: Graph, members: str) -> str:
    weights = formula.weights.reshape(1, formula.n_members, -1)
    scores = graph.total(graph.node("Mul", members, graph.constant(weights)), 1)
    return graph.divided(scores, formula.n_classes)


@probabilities.register
def _(formula: formulas.LogSum, graph: Graph, members: str) -> str:
    weights = graph.constant(formula.weights[None, :, None] / formula.temperature)
    scores = graph.total(graph.node("Mul", graph.log(members, PROBABILITY_CLIP), weights), 1)
    return graph.node("Softmax", graph.node("Add", scores, graph.constant(formula.bias / formula.temperature)), axis=1)


@probabilities.register
def _(formula: formulas.Plurality, graph: Graph, members: str) -> str:
    ballots = graph.votes(members, formula.n_classes)
    if formula.by_confidence:
        confidence = graph.node("Add", members, graph.constant(formula.n_members + 1.0))
        ballots = graph.node("Mul", ballots, confidence)
    return graph.divided(graph.total(ballots, 1), formula.n_classes)


@probabilities.register
def _(formula: formulas.VoteSum, graph: Graph, members: str) -> str:
    values = graph.constant(formula.values[None, :, None])
    scores = graph.total(graph.node("Mul", graph.votes(members, formula.n_classes), values), 1)
    return graph.node("Softmax", graph.node("Add", scores, graph.constant(formula.bias)), axis=1)


@probabilities.register
def _(formula: formulas.VoteTable, graph: Graph, members: str) -> str:
    n_votes = formula.n_members * formula.n_classes
    votes = graph.node("Reshape", graph.votes(members, formula.n_classes), graph.constant([-1, n_votes], np.int64))
    scores = graph.node("MatMul", votes, graph.constant(formula.values.reshape(n_votes, -1)))
    return graph.node("Softmax", graph.node("Add", scores, graph.constant(formula.bias)), axis=1)


@probabilities.register
def _(formula: formulas.SortedMean, graph: Graph, members: str) -> str:
    from onnx import helper

    # The names of two results; sorted upwards.
    numbers, ascending = (f"{name}_{len(graph.nodes)}" for name in ("places", "ascending"))
    size = graph.constant([formula.n_members], np.int64)
    graph.nodes.append(helper.make_node("TopK", [members, size], [ascending, numbers], axis=1, largest=0, sorted=1))
    kept = graph.node("Gather", ascending, graph.constant(np.arange(formula.first, formula.last), np.int64), axis=1)
    return graph.divided(graph.node("ReduceMean", kept, axes=[1], keepdims=0), formula.n_classes)


@probabilities.register
def _(formula: formulas.Logistic, graph: Graph, members: str) -> str:
    shape = graph.constant([-1, formula.n_members * formula.n_classes], np.int64)
    features = graph.node("Reshape", graph.log(members, FEATURE_CLIP), shape)
    centred = graph.node("Sub", features, graph.constant(formula.mean))
    standardised = graph.node("Div", centred, graph.constant(formula.scale))
    coefficients, intercepts, seen = formula.coefficients, formula.intercepts, formula.seen
    if len(seen) == 2:
        # The logistic function of d is the softmax of (0, d).
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([[0.0], intercepts])
    product = graph.node("MatMul", standardised, graph.constant(coefficients.T))
    softmax = graph.node("Softmax", graph.node("Add", product, graph.constant(intercepts)), axis=1)
    return graph.node("MatMul", softmax, graph.constant(np.eye(formula.n_classes)[list(seen)]))


@probabilities.register
def _(formula: formulas.Mixture, graph: Graph, members: str) -> str:
    parts = [probabilities(part, graph, members) for part in formula.parts]
    terms = [graph.node("Mul", part, graph.constant(w)) for part, w in zip(parts, formula.weights, strict=True)]
    return graph.divided(graph.node("Sum", *terms), formula.n_classes)


@probabilities.register
def _(formula: formulas.Heated, graph: Graph, members: str) -> str:
    logs = graph.log(probabilities(formula.inner, graph, members), PROBABILITY_CLIP)
    return graph.node("Softmax", graph.node("Div", logs, graph.constant(formula.temperature)), axis=1)


@probabilities.register
def _(formula: formulas.HeatedMembers, graph: Graph, members: str) -> str:
    temperatures = graph.constant(formula.temperatures[None, :, None])
    divided = graph.node("Div", graph.log(members, PROBABILITY_CLIP), temperatures)
    return probabilities(formula.inner, graph, graph.node("Softmax", divided, axis=2))


@probabilities.register
def _(formula: formulas.Shifted, graph: Graph, members: str) -> str:
    logs = graph.node("Log", probabilities(formula.inner, graph, members))
    return graph.node("Softmax", graph.node("Sub", logs, graph.constant(formula.shift)), axis=1)
