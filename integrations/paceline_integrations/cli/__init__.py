"""The command line: `paceline run`, `follow`, `replay`, `show`, `plan`, `graph`, `demo`, `compare`, `simulate`."""

from ._app import main as main

__all__ = ["main"]
