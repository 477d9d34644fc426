"""Committees of committees."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Self

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.base import Combiner, restore_inside
from ensembler.combiners.fitted_state import Kind, RuleState, Several
from ensembler.combiners.missing_votes import answered
from ensembler.errors import NotApplicableError, ParameterError, UnknownNameError, ValueRangeError

DEFAULT_KEY = "architecture"
EXAMPLE = "groups=[[0, 1, 2], [2, 3, 4]]"


@dataclass
class Node:
    """A fitted rule over members (on the lowest level) or over other nodes."""

    rule: Combiner
    members: list[int] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)

    def inputs(self, proba: Floats) -> Floats:
        """Return what the rule combines, (K, N, C)."""
        if self.children:
            return np.stack([child.output(proba, for_votes=self.rule.counts_votes) for child in self.children])
        return proba[self.members]

    def output(self, proba: Floats, *, for_votes: bool) -> Values:
        """Return what the node passes to the level above, (N, C).

        A vote above counts this node's label, which is not always the maximum of the scores passed on (a majority
        vote passes on the simple mean). For a vote, other classes are therefore lowered to just below the label's.
        Rows that no member below answers are passed on as missing votes.
        """
        inputs = self.inputs(proba)
        output = self.rule.level_scores(inputs)
        if for_votes and self.rule.counts_votes:
            rows, labels = np.arange(len(output)), self.rule.predict(inputs, check_input=False)
            of_label = output[rows, labels]
            output = np.minimum(output, np.nextafter(of_label, -np.inf)[:, None])
            output[rows, labels] = of_label
        if hasattr(self.rule, "class_prior_"):
            output[~answered(inputs[list(self.rule.members_used())]).any(axis=0)] = 0.0
        return output

    def walk(self) -> "list[Node]":
        """Return the nodes below and this one, lower levels first."""
        return [node for child in self.children for node in child.walk()] + [self]

    def members_used(self) -> list[int]:
        """Return the members whose probabilities the node's scores depend on, each once."""
        read = self.rule.members_used()
        if self.children:
            return sorted({member for place in read for member in self.children[place].members_used()})
        return sorted({self.members[place] for place in read})

    def leaves(self) -> list[int]:
        """Return the members below, each once."""
        return sorted({member for node in self.walk() for member in node.members})


@dataclass
class HierarchicalCommittee(Combiner):
    r"""Overlapping groups of members, each fused by one rule, and the groups fused by another, to any depth.

    Level 1 applies ``rules[0]`` to the members of each group, level 2 applies ``rules[1]`` to what the groups pass
    on, and so on; every rule is fitted on the same rows. A vote counts the labels of the level below, any other
    rule combines its scores. A group whose members leave a row unanswered has no vote on it, either. The default is
    Kim's: exponential weighting below, a majority vote above.

    Parameters
    ----------
    groups : nested list, str or list of str, optional
        Lists of member indices, or of name patterns (``[["deep-*"], ["shallow-*"]]``), nested as deep as there are
        levels; a member may sit in several groups. Or keys of the member metadata: ``"architecture"`` or
        ``["normalisation", "receptive_field"]`` make one group per value of each key. By default the key
        ``architecture``, if the metadata have it. Names and metadata need `bind`.
    rules : sequence of str or Combiner
        One rule a level, lowest first: names (with parameters, ``"exponential-weighted:q_min=0"``) or objects.

    Attributes
    ----------
    groups_ : list of dict
        For each group, lower levels first: its members, its rule, and what was fitted.

    Raises
    ------
    ParameterError
        Groups of unequal depth, or another number of rules than levels.
    NotApplicableError
        No groups are given and the metadata do not tell any.

    References
    ----------
    Kim et al., J. Multimodal User Interfaces 10 (2016) 173–189, doi 10.1007/s12193-015-0209-0.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]], [[0.8, 0.2], [0.6, 0.4]]])
    >>> rule = HierarchicalCommittee(groups=[[0, 1], [1, 2], [0, 2]], rules=("mean", "majority-vote"))
    >>> rule.fit(proba, [0, 1]).predict(proba)
    array([0, 1])
    """

    name: ClassVar[str] = "hierarchical-committee"
    family: ClassVar[str] = "stacked"
    source: ClassVar[str] = "Kim et al. 2016, doi 10.1007/s12193-015-0209-0"
    complexity: ClassVar[int] = 150
    list_position: ClassVar[int] = 7
    reported: ClassVar[tuple[str, ...]] = ("groups_",)
    fitted_state: ClassVar[Mapping[str, Kind]] = {"nodes": Several(RuleState())}

    groups: Any = None
    rules: Sequence[str | Combiner] = ("exponential-weighted", "majority-vote")

    def check_parameters(self) -> None:
        """Refuse unknown rules, and groups whose depth does not fit the number of rules."""
        self._rule_objects()
        if self._keys() is None:
            levels = depth(self.groups) + 1
            if len(self.rules) != levels:
                raise ParameterError(
                    f"{self.name}: got {len(self.rules)} rules for groups of {levels} levels, expected one rule a level"
                )

    def bind(self, names: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> Self:
        """Return a committee whose groups are member indices."""
        keys = self._keys()
        groups = (
            resolve_names(self.groups, names) if keys is None else groups_by(keys, names, metadata, self.groups is None)
        )
        return dataclasses.replace(self, groups=groups)

    def needs_probabilities(self) -> bool:
        """As soon as one of its rules does."""
        return any(rule.needs_probabilities() for rule in self._rule_objects())

    def needs_every_vote(self) -> bool:
        """As soon as one of its rules does."""
        return any(rule.needs_every_vote() for rule in self._rule_objects())

    @property
    def class_prior_(self) -> Values:
        """What a row gets that nobody answers, from the uppermost rule."""
        return self.tree_.rule.class_prior_

    @class_prior_.setter
    def class_prior_(self, prior: Values) -> None:
        for node in self.tree_.walk():
            node.rule.class_prior_ = prior

    def names_members_by_number(self) -> bool:
        """Whether groups list member numbers."""
        return self._keys() is None and any(isinstance(leaf, (int, np.integer)) for leaf in leaves(self.groups))

    def members_used(self) -> tuple[int, ...]:
        """Return the members that some rule of some group reads."""
        self._require_fitted("ask for its members")
        return tuple(self.tree_.members_used())

    def plain_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON holds them, rules as text."""
        rules = [rule if isinstance(rule, str) else rule.to_text() for rule in self.rules]
        return Combiner.plain_parameters(dataclasses.replace(self, rules=rules))

    def n_fitted(self) -> int:
        """All that its rules have fitted."""
        return sum(node.rule.n_fitted() for node in self.tree_.walk())

    @property
    def groups_(self) -> list[dict[str, Any]]:
        """The fitted groups, lower levels first."""
        return [{"members": node.leaves(), "rule": node.rule.name, **node.rule.fitted()} for node in self.tree_.walk()]

    def to_proba(self, scores: Values) -> Values:
        """Normalise as the uppermost rule does."""
        return self.tree_.rule.to_proba(scores)

    def _keys(self) -> list[str] | None:
        """Return the metadata keys that make the groups; None where they are listed."""
        if self.groups is None:
            return [DEFAULT_KEY]
        if isinstance(self.groups, str):
            return [self.groups]
        if isinstance(self.groups, (list, tuple)) and self.groups and all(isinstance(key, str) for key in self.groups):
            return list(self.groups)
        return None

    def _rule_objects(self) -> list[Combiner]:
        from ensembler.combiners.registry import make_rule

        if isinstance(self.rules, str) or not isinstance(self.rules, Sequence) or len(self.rules) < 2:
            raise ParameterError(
                f"{self.name}: rules is {self.rules!r}, expected a list with one rule a level, at least two"
            )
        return [make_rule(rule, f"{self.name}: one of the rules") for rule in self.rules]

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self._check_groups(self.n_members_)
        self.tree_ = self._tree()
        for node in self.tree_.walk():
            node.rule.fit(node.inputs(proba), labels, sample_weight, check_input=False)

    def _check_groups(self, n_members: int) -> None:
        """Refuse groups that are not lists of members there are."""
        if self.groups is None:
            raise NotApplicableError(
                f"{self.name}: no groups and no architecture in the member metadata; give groups=, as in {EXAMPLE}"
            )
        if self._keys() is not None or any(isinstance(leaf, str) for leaf in leaves(self.groups)):
            raise ParameterError(
                f"{self.name}: groups name members or metadata; call bind(names, metadata) before fit, or give indices"
            )
        outside = sorted({leaf for leaf in leaves(self.groups) if not 0 <= leaf < n_members})
        if outside:
            raise ParameterError(
                f"{self.name}: groups hold member {outside[0]}, expected 0 to {n_members - 1}: "
                f"there are {n_members} members"
            )

    def _tree(self) -> Node:
        """Return the nodes, whose rules are not fitted yet."""
        rules = self._rule_objects()

        def build(group: Sequence[Any], level: int) -> Node:
            rule = copy.deepcopy(rules[level])
            if level:
                return Node(rule, children=[build(inner, level - 1) for inner in group])
            return Node(rule, members=[int(member) for member in group])

        return build(self.groups, len(rules) - 1)

    def state(self) -> dict[str, Any]:
        """Return what the rules of all groups have fitted, lower levels first."""
        self._require_fitted("save it")
        nodes = [node.rule.state() for node in self.tree_.walk()]
        return {"n_members_": self.n_members_, "n_classes_": self.n_classes_, "nodes": nodes}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Build the groups, and give their rules what they had fitted."""
        values = self.take_state(state)
        self._check_groups(values["n_members_"])
        tree = self._tree()
        nodes, states = tree.walk(), values["nodes"]
        if len(states) != len(nodes):
            raise ValueRangeError(f"{self.name}: the state has {len(states)} nodes, expected {len(nodes)}")
        for node, fitted in zip(nodes, states, strict=True):
            restore_inside(node.rule, fitted, len(node.children) or len(node.members), values["n_classes_"])
        self.n_members_, self.n_classes_, self.tree_ = values["n_members_"], values["n_classes_"], tree
        return self

    def _scores(self, proba: Floats) -> Values:
        return self.tree_.rule.scores(self.tree_.inputs(proba), check_input=False)


def depth(groups: Any) -> int:
    """Return how many levels of lists lie between the whole and its members: 1 for a list of groups."""
    levels = nesting(groups)
    if levels < 1:
        raise ParameterError(
            f"hierarchical-committee: groups is {groups!r}, expected a list of groups, as in {EXAMPLE}"
        )
    return levels


def nesting(group: Any) -> int:
    """Return 0 for a list of members, 1 for a list of such lists, and so on."""
    if not isinstance(group, (list, tuple)) or not group:
        raise ParameterError(f"hierarchical-committee: groups hold {group!r}, expected a list that is not empty")
    leaf = [isinstance(item, (int, np.integer, str)) and not isinstance(item, bool) for item in group]
    if all(leaf):
        return 0
    inner = {nesting(item) for item in group} if not any(leaf) else set()
    if len(inner) != 1:
        raise ParameterError(
            f"hierarchical-committee: groups are nested to unequal depth in {group!r}, expected one depth"
        )
    return 1 + inner.pop()


def leaves(groups: Any) -> list[Any]:
    """Return the members of nested groups, in order, with repetitions."""
    if isinstance(groups, (list, tuple)):
        return [leaf for group in groups for leaf in leaves(group)]
    return [groups]


def resolve_names(group: Any, names: Sequence[str]) -> list[Any]:
    """Replace name patterns in nested groups by the indices of the members they match, each member once a group."""
    resolved: list[Any] = []
    for item in group:
        if isinstance(item, (list, tuple)):
            resolved.append(resolve_names(item, names))
            continue
        matches = (
            [index for index, name in enumerate(names) if name == item or fnmatchcase(name, item)]
            if isinstance(item, str)
            else [item]
        )
        if not matches:
            raise UnknownNameError("member or pattern in groups", item, names)
        resolved.extend(match for match in matches if match not in resolved)
    return resolved


def groups_by(
    keys: Sequence[str], names: Sequence[str], metadata: Sequence[Mapping[str, Any]], default: bool
) -> list[list[int]]:
    """Return one group of member indices per value of each metadata key, in order of first appearance."""
    groups: list[list[int]] = []
    for key in keys:
        values = [entry.get(key) for entry in metadata]
        missing = [name for name, value in zip(names, values, strict=True) if value is None]
        if missing and default:
            raise NotApplicableError(
                f"give groups=, as in {EXAMPLE}; member {missing[0]!r} has no {key!r} in its metadata"
            )
        if missing:
            known = sorted({other for entry in metadata for other in entry})
            raise UnknownNameError(f"metadata key (of member {missing[0]!r})", key, known)
        texts = [str(value) for value in values]
        groups += [[index for index, text in enumerate(texts) if text == value] for value in dict.fromkeys(texts)]
    if len(groups) < 2:
        raise NotApplicableError(f"give groups=, as in {EXAMPLE}; all members have the same {' and '.join(keys)}")
    return groups
