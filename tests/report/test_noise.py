"""Tables of what is noise."""

from ensembler import Predictions, compare_rules
from ensembler.report.noise import difference_tables
from ensembler.report.tables import MISSING


def test_intervals_and_letters_stand_in_the_first_table_only(fer):
    result = compare_rules(fer, ["mean", "median"], n_resamples=100, letters=True)
    first, second = difference_tables(result, result.verdict)
    assert first.headers == ["rule", "accuracy", "difference", "95 % interval", "p, Holm", "letters"]
    assert second.headers == ["rule", "difference", "95 % interval", "p, Holm"]
    mean = next(row for row in second.rows if row[0] == "mean")
    assert mean[1:] == [MISSING, MISSING, MISSING]


def test_rows_in_groups_have_no_p_values(fer):
    grouped = Predictions(fer.proba, fer.labels, groups=[row // 4 for row in range(fer.n_samples)])
    result = compare_rules(grouped, ["mean", "median"], n_resamples=100)
    for table in difference_tables(result, result.verdict):
        assert {row[table.headers.index("p, Holm")] for row in table.rows} == {MISSING}
