"""Who errs alike, and who of these is called redundant."""

import itertools

import numpy as np
import pytest

from ensembler import Predictions, load_predictions
from ensembler.predictions.bundled import study_folder
from ensembler.predictions.diagnosis.checks import examine
from ensembler.predictions.diagnosis.diversity import measure_diversity
from ensembler.predictions.diagnosis.redundancy import mean_effect
from ensembler.report.diversity import conclusion
from ensembler.report.figures.matrix import disagreement
from ensembler.report.survey import survey
from ensembler.subsets.describe import summarize_study


def accurate(seed=0, n_members=6, n_rows=3000, n_classes=5, strength=6.0):
    """Draw members that are right in most rows and err independently, so that all pairs agree in most rows."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    logits = rng.normal(size=(n_members, n_rows, n_classes)) * 1.5
    logits[:, np.arange(n_rows), labels] += strength
    proba = np.exp(logits)
    return proba / proba.sum(axis=-1, keepdims=True), labels


def worse_copy(proba, seed=0, share=0.06):
    """Return what a member says, with noise in some rows."""
    rng = np.random.default_rng(seed)
    copy = proba.copy()
    rows = rng.random(len(copy)) < share
    copy[rows] = rng.dirichlet(np.ones(copy.shape[1]) * 0.2, rows.sum())
    return copy


def with_copies(data, *copied):
    """Add a worse copy of some members to a set."""
    places = [data.names.index(name) for name in copied]
    copies = np.stack([worse_copy(data.proba[place], place) for place in places])
    names = [*data.names, *(f"{name}-copy" for name in copied)]
    return Predictions(np.concatenate([data.proba, copies]), data.labels, names=names, class_names=data.classes)


def alike_in(findings):
    return [finding.subject for finding in findings if finding.code == "near-duplicates"]


def test_accurate_members_that_err_independently_are_not_called_alike():
    proba, labels = accurate()
    data = Predictions(proba, labels)
    found = measure_diversity(data)
    agree = 1 - found.pairs["different"][np.triu_indices(6, 1)]
    assert agree.min() > 0.97
    assert found.redundancy.groups == []
    assert alike_in(examine(data)) == []
    assert "alike" not in " ".join(conclusion(found))


@pytest.mark.parametrize("home", ["published", "study"])
def test_no_member_of_a_bundled_set_is_redundant(home, fer):
    data = fer if home == "published" else load_predictions(study_folder())
    found = measure_diversity(data)
    assert found.redundancy.groups == []
    assert np.nanmax(found.pairs["excess-agreement"] - np.eye(data.n_members)) < 0.65
    assert alike_in(examine(data)) == []
    told = disagreement(found, data.names).text
    assert "redundant" not in told
    assert "No two err alike beyond what their accuracies imply" in told


def test_a_copy_is_found_by_all_who_speak_of_it():
    data = with_copies(load_predictions(study_folder()), "agrawal-b")
    found = measure_diversity(data)
    assert found.redundancy.groups == [["agrawal-b", "agrawal-b-copy"]]
    assert alike_in(examine(data)) == ["agrawal-b, agrawal-b-copy"]
    message = next(finding.message for finding in examine(data) if finding.code == "near-duplicates")
    kappa = found.redundancy.closest[0]
    assert f"κ {kappa:.2f}" in message
    said = " ".join(conclusion(found))
    assert (
        f"Err alike, beyond what their accuracies imply: agrawal-b, agrawal-b-copy (κ {kappa:.2f}".replace("0.", ".")
        in said
    )
    assert " ".join(conclusion(found)[1:3]) in disagreement(found, data.names).text


def test_what_a_member_adds_is_what_the_sweep_says():
    surveyed = survey(
        with_copies(load_predictions(study_folder()), "agrawal-b"), ["mean"], fit_on="cross", n_resamples=0
    )
    members = summarize_study(surveyed.study).rules[0].members
    data = surveyed.comparison.scored
    sizes = range(2, data.n_members + 1)
    committees = [some for size in sizes for some in itertools.combinations(range(data.n_members), size)]
    place = data.names.index("agrawal-b-copy")
    assert mean_effect(data, place, committees) == pytest.approx(members[place].mean_effect, abs=1e-9)
    redundant = surveyed.diversity.redundancy.redundant
    assert redundant == ["agrawal-b-copy"]
    assert members[place].mean_effect <= 0


def test_no_member_that_the_sweep_values_is_called_redundant():
    surveyed = survey(with_copies(load_predictions(study_folder()), "deep-c"), ["mean"], fit_on="cross", n_resamples=0)
    found, rule = surveyed.diversity.redundancy, summarize_study(surveyed.study).rules[0]
    assert found.groups == [["deep-c", "deep-c-copy"]]
    effects = {member.name: member.mean_effect for member in rule.members}
    assert effects["deep-c"] > 0
    for name in found.redundant:
        assert effects[name] <= 0
        assert name not in rule.chosen.members
        assert name not in rule.luckiest.members
    if not found.redundant:
        assert "none is redundant" in " ".join(conclusion(surveyed.diversity))


def test_in_a_sweep_of_a_chosen_committee_its_members_are_valued():
    proba, labels = accurate(n_members=4, strength=2.0)
    data = with_copies(Predictions(proba, labels, names=list("abcd")), "a", "b")
    surveyed = survey(data, ["mean"], fit_on="cross", n_resamples=0)
    rule = summarize_study(surveyed.study).rules[0]
    redundant = set(surveyed.diversity.redundancy.redundant)
    assert not redundant & {*rule.chosen.members, *rule.luckiest.members}
    assert not redundant & {"c", "d"}
