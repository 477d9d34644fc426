"""What all checks have in common, and findings as warnings."""

import pickle

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.predictions.diagnosis.checks import ALL_CHECKS, CRITICAL_CHECKS, critical, examine, quick, warn
from ensembler.predictions.diagnosis.findings import SEVERITIES, Finding, FindingWarning, warn_of, worst_first
from ensembler.predictions.diagnosis.quick_checks import QUICK_CHECKS
from tests.conftest import draw


def test_every_check_has_codes_of_its_own_and_a_title():
    codes = [code for check in ALL_CHECKS for code in check.codes]
    assert len(set(codes)) == len(codes)
    for check in ALL_CHECKS:
        assert check.title
        assert check.severity in (*SEVERITIES, None)
        assert type(check).__doc__
    assert {type(check) for check in (*QUICK_CHECKS, *CRITICAL_CHECKS)} <= {type(check) for check in ALL_CHECKS}


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.codes[0])
def test_a_sound_set_passes_every_check(check, fer):
    assert {finding.code for finding in check.findings(fer)} <= {"shared-rows", "overconfident"}


def test_checks_of_labels_do_not_run_without_labels_or_on_few_rows():
    proba, labels = draw(0, 3, 30, 4)
    assert list(quick(Predictions(proba))) == []
    copies = np.eye(4)[labels][None]
    whole, few = Predictions(copies, labels), Predictions(copies[:, :19], labels[:19])
    assert [finding.code for finding in quick(whole)] == ["one-member", "always-right"]
    assert [finding.code for finding in quick(few)] == ["one-member"]


def test_only_errors_are_critical(fer):
    assert list(critical(fer)) == []
    validation = fer.validation
    swapped = fer.proba.copy()
    swapped[0] = swapped[0][:, ::-1]
    [finding] = critical(fer.replace(proba=swapped))
    assert (finding.code, finding.subject) == ("permuted-classes", fer.names[0])
    n_rows = 3 * validation.n_samples // 4
    mixed = np.concatenate([validation.proba[:, :n_rows], fer.proba[:, n_rows:]], axis=1)
    labels = np.concatenate([validation.true_labels[:n_rows], fer.true_labels[n_rows:]])
    assert "shared-rows" in [finding.code for finding in critical(fer.replace(proba=mixed, labels=labels))]


def test_findings_are_sorted_and_warned_of_by_code():
    findings = [Finding(str(number), severity, "", "") for number, severity in enumerate(reversed(SEVERITIES))]
    assert [finding.code for finding in worst_first(findings)] == ["2", "1", "0"]
    finding = Finding("constant", "warning", "a", "member 'a' says nothing", "is it trained?")
    assert finding.to_dict()["grade"] == "warning"
    with pytest.warns(
        FindingWarning, match=r"says nothing; is it trained\? \(`ensembler check` looks closer\)"
    ) as told:
        warn_of([finding])
    assert told[0].message.code == "constant"
    assert told[0].filename == __file__
    assert pickle.loads(pickle.dumps(told[0].message)).code == "constant"  # noqa: S301
    with pytest.warns(FindingWarning) as told:
        warn(Predictions(draw(0, 1, 30, 4)[0]))
    assert [warning.message.code for warning in told] == ["one-member"]


def test_a_poor_voter_is_not_out_of_order():
    """Hard labels right in half of the rows of three classes, where chance is a third: 3.3 standard errors."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    votes = []
    for n_right in (70, 65, 45):
        vote = (labels + rng.integers(1, 3, 90)) % 3
        right = rng.permutation(90)[:n_right]
        vote[right] = labels[right]
        votes.append(np.eye(3)[vote])
    findings = examine(Predictions(np.array(votes), labels, hard=[True] * 3))
    assert "misaligned-rows" not in {finding.code for finding in findings}
