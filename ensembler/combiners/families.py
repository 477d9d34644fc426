"""Families of rules: what a rule combines, and what it learns for that."""

from typing import Final

FAMILIES: Final[dict[str, str]] = {
    "fixed": "nothing is learned from labels: means, products, and what sorting gives",
    "weighted": "means with weights by how good members are",
    "voting": "only the members' most probable classes count",
    "pooled": "pools whose weights are fitted to a proper score",
    "trainable": "tables of what members say of each class, and other classics that are fitted",
    "dynamic": "members are selected anew for each row, by how they do on fitting rows like it",
    "stacked": "rules on top of others: a classifier of members' probabilities, blends, committees",
}
"""What is common to the rules of each family, in the order in which they are listed."""
OTHER: Final = "other"
"""The family of rules from other distributions that name none."""
ALL: Final = "all"
"""What stands for every rule, where a family's name may stand for its rules."""


def describe_family(family: str) -> str:
    """Return what is common to the rules of a family."""
    return FAMILIES.get(family, "rules of other distributions")
