"""The command line: `paceline run`, `paceline graph`, `paceline demo`, `paceline simulate`."""

from ._app import main as main

__all__ = ["main"]
