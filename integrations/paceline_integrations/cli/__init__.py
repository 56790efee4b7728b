"""The command line: `paceline run`, `follow`, `show`, `plan`, `demo` and the others."""

from ._app import main as main

__all__ = ["main"]
