"""Ranking rules over made prediction sets."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from ensembler import FixedWeights, Metric, Predictions
from ensembler.errors import FileError, ParameterError, UsageError
from ensembler.metrics import get_metric
from ensembler.metrics.differences import Tally
from ensembler.metrics.pooling import PooledEffect
from ensembler.parallel.workers import process_pool, thread_pool
from ensembler.ranking.rank import rank_rules
from ensembler.ranking.results import RankedRule
from ensembler.ranking.tables import recommend
from ensembler.ranking.wording import expected_on_a_new_set
from tests.conftest import draw
from tests.ranking.draw import draw_set

RULES = ["mean", "log-pool", "max"]
N_SETS = 7


def one_process():
    return process_pool(1)


def rank(sets, rules=RULES, **options):
    return rank_rules(sets, rules, **{"workers": one_process, "n_resamples": 100, **options})


@pytest.fixture(scope="module")
def sets():
    return {f"set-{seed}": draw_set(seed) for seed in range(N_SETS)}


@pytest.fixture(scope="module")
def ranking(sets):
    return rank(sets)


def test_the_better_rule_is_recommended(ranking):
    # Confident noise misleads a mean more than a product of weighted members, and the largest value most.
    assert ranking.recommended == "log-pool"
    assert [rule.name for rule in ranking.rules] == ["log-pool", "mean", "max"]
    assert ranking["log-pool"].effect.interval[0] > 0 > ranking["max"].effect.interval[1]
    assert ranking["mean"].effect is None
    first, second = ranking.sentences
    assert first.startswith(f"Use log-pool: on {N_SETS} sets its accuracy is ")
    assert second.startswith("Every other rule is worse on most sets with probability 0.95 or more; keeping to ")


def test_rules_that_may_be_as_good_are_named(sets):
    ranking = rank(sets, ["log-pool", "log-pool:ridge=0.02", "max"])
    other = "log-pool" if ranking.recommended != "log-pool" else "log-pool:ridge=0.02"
    assert ranking.sentences[1] == f"It cannot be told apart from {other}."


def test_json_has_the_fields_that_scripts_rely_on(ranking):
    plain = json.loads(json.dumps(ranking.to_dict("ensembler rank"), allow_nan=False))
    assert plain["schema"] == "ensembler.rank/1"
    assert {"metric", "friedman", "pairs", "recommended", "sentences", "rope", "protocol", "seed"} < set(plain)
    assert plain["reproducibility"]["command"] == "ensembler rank"
    assert plain["learning_curve"] is None
    assert set(plain["sets"][0]) == {"name", "n_rows", "n_fit", "n_classes", "n_members", "cluster"}
    assert {"name", "mean_rank", "wins", "ties", "losses", "against_best_member", "effect", "effect_interval"} | {
        "prediction_interval", "tau", "rating", "rating_interval",
    } <= set(plain["rules"][0])  # fmt: skip
    assert np.array(plain["values"]).shape == (N_SETS, len(RULES))
    assert set(plain["friedman"]) == {"statistic", "p_value", "iman_davenport", "p_iman_davenport"}
    assert set(plain["pairs"][0]) == {"rule", "against", "p_value", "p_holm", "p_worse", "p_equivalent", "p_better"}


def test_the_table_has_a_row_for_each_set_and_rule(ranking, sets):
    frame = ranking.to_frame()
    assert len(frame) == N_SETS * len(RULES)
    mean = frame[(frame["set"] == "set-0") & (frame["rule"] == "mean")]
    labels = sets["set-0"].labels
    assert mean["accuracy"].item() == (sets["set-0"].proba.mean(axis=0).argmax(axis=1) == labels).mean()
    assert mean["difference"].item() == 0


def test_sets_that_share_labels_count_once(sets, ranking):
    doubled = rank({**sets, "again": sets["set-3"]})
    assert doubled.n_clusters == N_SETS
    assert doubled.clusters[-1] == "set-3"
    for rule, other in zip(ranking.rules, doubled.rules, strict=True):
        assert (rule.name, rule.mean_rank, rule.against_mean) == (other.name, other.mean_rank, other.against_mean)
        assert rule.effect == other.effect
        assert rule.rating == pytest.approx(other.rating)
    assert [pair.p_holm for pair in doubled.pairs] == [pair.p_holm for pair in ranking.pairs]
    assert "8 sets (7 independent: sets of the same rows count once)" in doubled.sentences[0]


def test_sets_whose_names_match_alike_count_once(sets):
    named = {f"{'even' if place % 2 == 0 else 'odd'}-{place}": item for place, item in enumerate(sets.values())}
    assert rank(named, cluster="^([a-z]+)-").n_clusters == 2


def test_the_number_of_workers_changes_nothing(sets, ranking):
    assert rank(sets, workers=lambda: thread_pool(2)).to_dict() == ranking.to_dict()


def test_a_second_run_reads_what_the_first_one_kept(sets, ranking, tmp_path, monkeypatch):
    assert rank(sets, cache_folder=tmp_path, learning_curve=True).to_dict()["values"] == ranking.to_dict()["values"]
    assert len(list(tmp_path.iterdir())) == 2 * N_SETS
    monkeypatch.setattr("ensembler.ranking.rank.measure_one", lambda *_, **__: pytest.fail("measured again"))
    assert rank(sets, cache_folder=tmp_path).to_dict() == ranking.to_dict()
    renamed = {name.replace("set", "new"): item for name, item in sets.items()}
    assert [item.name for item in rank(renamed, cache_folder=tmp_path).sets] == list(renamed)
    assert rank(sets, cache_folder=tmp_path, learning_curve=True).learning_curve.sizes == [10, 20, 40, 80]


@pytest.mark.parametrize("change", ["labels", "rules", "metric", "seed"])
def test_what_has_changed_is_measured_anew(change, tmp_path, sets):
    one = {"set-0": sets["set-0"]}
    rank(one, cache_folder=tmp_path)
    match change:
        case "labels":
            rank({"set-0": one["set-0"].replace(labels=np.roll(one["set-0"].labels, 1))}, cache_folder=tmp_path)
        case "rules":
            rank(one, ["mean", "median"], cache_folder=tmp_path)
        case "metric":
            rank(one, metric="brier", cache_folder=tmp_path)
        case _:
            rank(one, seed=1, cache_folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", ["{", "{}", "[1]", '"text"'])
def test_a_spoilt_file_of_the_cache_says_what_to_do(content, tmp_path, sets):
    one = {"set-0": sets["set-0"]}
    rank(one, cache_folder=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text(content)
    with pytest.raises(FileError, match="is no file of this cache .*; delete it, or give another folder"):
        rank(one, cache_folder=tmp_path)


def test_a_metric_of_ones_own_is_never_kept(sets, tmp_path):
    def accuracy(labels, proba):
        return (proba.argmax(axis=1) != labels).mean()

    wrong = Metric.of(accuracy, greater_is_better=False)
    ranking = rank(sets, metric=wrong, cache_folder=tmp_path)
    assert not list(tmp_path.iterdir())
    assert ranking.recommended == "log-pool"
    assert ranking["log-pool"].effect.effect > 0
    assert np.allclose(1 - ranking.values, rank(sets).values)


def test_a_rule_that_cannot_run_everywhere_has_no_rank(sets):
    votes = sets["set-0"]
    hard = votes.replace(proba=np.eye(3)[votes.proba.argmax(axis=-1)], hard=[True] * 4)
    ranking = rank({**sets, "set-0": hard}, ["mean", "majority-vote", "log-pool"])
    left = ranking["log-pool"]
    assert (left.mean_rank, left.n_sets) == (None, N_SETS - 1)
    assert ranking.rules[-1] is left
    assert ranking.recommended != "log-pool"
    plain = ranking.to_dict()
    assert plain["values"][0][-1] is None
    assert plain["rules"][-1]["effect"] > 0


def test_hard_labels_only(sets):
    hard = {
        name: item.replace(proba=np.eye(3)[item.proba.argmax(axis=-1)], hard=[True] * 4) for name, item in sets.items()
    }
    assert {rule.name for rule in rank(hard, ["majority-vote", "weighted-vote"]).rules} == {
        "majority-vote",
        "weighted-vote",
    }
    with pytest.raises(UsageError, match="none of the rules can run on any of the sets"):
        rank(hard, ["log-pool"])


def test_one_set(sets):
    ranking = rank([sets["set-0"]])
    assert ranking.friedman is None
    assert ranking.critical_difference is None
    assert all(pair.p_value is None for pair in ranking.pairs)
    assert all(rule.effect is None or rule.effect.interval is None for rule in ranking.rules)
    assert "on 1 set its accuracy" in ranking.sentences[0]
    json.dumps(ranking.to_dict(), allow_nan=False)


def test_one_rule(sets):
    ranking = rank(sets, "median")
    assert [rule.name for rule in ranking.rules] == ["median"]
    assert len(ranking.sentences) == 1
    assert math.isnan(ranking["median"].rating)
    assert ranking.to_dict()["rules"][0]["rating"] is None


def test_the_mean_is_recommended_where_no_rule_is_better(sets):
    proba = np.repeat(sets["set-0"].proba[:1], 4, axis=0)
    alike = rank([sets["set-0"].replace(proba=proba)], ["median", "mean", "max"], metric="brier")
    assert alike.recommended == "mean"
    assert alike.sentences == ("Use mean: on 1 set, no rule has a better brier on average.",)


def test_figures_on_the_fitting_rows_prove_nothing(sets):
    ranking = rank(sets, fit_on="test")
    assert ranking.sentences[-1].startswith("Nothing follows for other rows")


def test_rules_as_objects(sets):
    ranking = rank(sets, [FixedWeights([1, 1, 0, 0]), "mean"])
    assert ranking["fixed-weights:weights=[1, 1, 0, 0]"].effect.effect > 0


def test_the_learning_curve_says_from_how_many_rows_a_rule_pays(sets):
    ranking = rank({name: draw_set(50 + place, n_rows=400) for place, name in enumerate(sets)}, learning_curve=True)
    curve = ranking.learning_curve
    assert curve.sizes == [10, 20, 40, 80, 160]
    assert curve.rules == ["log-pool", "max"]
    assert curve.pays_from("max") is None
    assert curve.pays_from("log-pool") in curve.sizes
    assert [point.effect for point in curve.of("log-pool")][-1] > 0
    assert ranking.to_dict()["learning_curve"][0]["rule"] == "log-pool"


def test_progress_ends_where_all_is_done(sets):
    told = []
    rank(sets, ["mean"], progress=lambda *seen: told.append(seen))
    assert [done for done, _, _ in told] == list(range(1, N_SETS + 1))
    assert {total for _, total, _ in told} == {N_SETS}
    assert {name for _, _, name in told} == set(sets)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_resamples": 3}, ParameterError, "n_resamples is 3, expected at least"),
        ({"cluster": "("}, UsageError, r"cluster '\(' is no regular expression"),
        ({"rope": -1}, ParameterError, "rope is -1"),
        ({"rope": math.nan}, ParameterError, "rope is nan"),
        ({"rules": ["meen"]}, UsageError, "did you mean 'mean'"),
        ({"rules": ["mean", "mean"]}, UsageError, "^rule 'mean' is given twice"),
        ({"rules": []}, UsageError, "no rules given"),
        ({"metric": "acuracy"}, UsageError, "did you mean 'accuracy'"),
        ({"part": 0.5, "fit_on": "cross"}, UsageError, "part"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(sets, options, error, message, monkeypatch):
    monkeypatch.setattr("ensembler.ranking.rank.run", lambda *_, **__: pytest.fail("began to work"))
    with pytest.raises(error, match=message):
        rank(sets, **options)


def test_what_is_no_set_is_refused(sets):
    with pytest.raises(UsageError, match="no prediction sets given"):
        rank({})
    with pytest.raises(UsageError, match="sets is one prediction set, expected several"):
        rank(sets["set-0"])
    with pytest.raises(UsageError, match="set 'a' is a list, expected Predictions"):
        rank({"a": [1]})
    unlabelled = sets["set-0"].replace(labels=None)
    with pytest.raises(Exception, match="set 'bare': .*labels"):
        rank({"bare": unlabelled})


def test_pairs_are_compared_set_by_set_where_a_rule_missed_sets_of_a_cluster():
    sets = {}
    for number in range(7):
        proba, labels = draw(number, 4, 240, 3)
        sets[f"d{number}-soft"] = Predictions(
            proba[:, 120:], labels[120:], validation=Predictions(proba[:, :120], labels[:120])
        )
        votes = np.eye(3)[proba.argmax(axis=-1)]
        sets[f"d{number}-hard"] = Predictions(
            votes[:, 120:],
            labels[120:],
            hard=[True] * 4,
            validation=Predictions(votes[:, :120], labels[:120], hard=[True] * 4),
        )
    rules = ["mean", "simplex"]
    mixed = rank_rules(sets, rules, cluster=r"^(d\d)", n_resamples=50, workers=lambda: process_pool(1))
    soft = {name: item for name, item in sets.items() if name.endswith("soft")}
    alone = rank_rules(soft, rules, n_resamples=50, workers=lambda: process_pool(1))
    pair = {(item.rule, item.against): item for item in mixed.pairs}["simplex", "mean"]
    expected = {(item.rule, item.against): item for item in alone.pairs}["simplex", "mean"]
    assert pair.p_value == expected.p_value
    assert pair.p_better == expected.p_better
    assert mixed["simplex"].mean_rank is None


def test_a_rule_that_most_rows_show_to_be_worse_is_not_recommended():
    nobody = Tally(0, 0, 0)
    worse = PooledEffect(-0.01, 0.002, (-0.02, -0.001), None, 0.0, 7)
    rules = [
        RankedRule("median", 7, 1.2, nobody, nobody, worse, 0.02, -0.01, None, None),
        RankedRule("mean", 7, 1.8, nobody, nobody, None, 0.0, 0.0, None, None),
    ]
    assert recommend(rules).name == "mean"


def test_a_rule_that_is_no_answer_is_not_recommended():
    tally = Tally(7, 0, 0)
    better = PooledEffect(0.01, 0.002, (0.006, 0.014), None, 0.0, 7)
    rules = [
        RankedRule("dawid-skene:tol=0.001", 7, 1.2, tally, tally, better, 0.02, 0.01, None, None),
        RankedRule("mean", 7, 1.8, tally, tally, None, 0.0, 0.0, None, None),
    ]
    assert recommend(rules).name == "mean"
    assert recommend(rules[:1]).name == "dawid-skene:tol=0.001"


def test_an_interval_wider_than_any_difference_is_not_expected() -> None:
    metric = get_metric("accuracy")
    wide = PooledEffect(0.2, 0.3, (-0.5, 0.9), (-3.6, 4.1), 0.3, 3)
    assert expected_on_a_new_set(metric, wide) is None
    narrow = replace(wide, prediction_interval=(-0.6, 1.0))
    assert expected_on_a_new_set(metric, narrow) == (-0.6, 1.0)
    assert expected_on_a_new_set(get_metric("log-loss"), wide) == (-3.6, 4.1)
