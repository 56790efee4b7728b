"""The command line: `paceline run`, `plan`, `graph`, `demo`, `compare` and `simulate`."""

from ._app import main as main

__all__ = ["main"]
