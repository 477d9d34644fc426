"""Names in figures."""

from ensembler.report.figures.style import shortened


def test_long_names_keep_their_ends():
    assert shortened("a" * 50 + "-17", 20).endswith("a-17")
    assert len(shortened("a" * 50, 20)) == 20
    assert shortened("short", 20) == "short"
