"""``python -m ensembler``."""

from ensembler.cli import main

main()
