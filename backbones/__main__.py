"""``python -m backbones``, and what the command ``backbones`` runs: signals are heeded before anything is imported."""

import signal
from types import FrameType
from typing import NoReturn


def stop(number: int, _: FrameType | None) -> NoReturn:
    """End on a signal that comes before the work has begun."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    from backbones.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
