"""``python -m backbones``."""

from backbones.cli import main

main()
