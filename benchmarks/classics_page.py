"""The page "Classic rules, and whether they are worth it", written from the results alone."""

from typing import Any


def write_page(results: dict[str, Any]) -> str:
    return ""
