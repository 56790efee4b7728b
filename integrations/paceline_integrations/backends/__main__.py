"""`python -m paceline_integrations.backends`: installs trace backends, lists them, or serves one.

python -m paceline_integrations.backends serve phoenix
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from ._backend import Backend
from ._environments import kept_folder
from ._errors import BackendError
from ._mlflow import MLflow
from ._phoenix import Phoenix

__all__ = ["main"]

_KNOWN: dict[str, type[Backend]] = {"phoenix": Phoenix, "mlflow": MLflow}
_PORTS = {"phoenix": 6006, "mlflow": 5000}
"""Where people are used to finding them."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments say, and return the exit code: 1 if one could not be installed or started."""
    said = _parser().parse_args(arguments)
    try:
        if said.action == "serve":
            _serve(said.backend, said.port or _PORTS[said.backend], said.folder)
        else:
            _each(said.action, said.backends or list(_KNOWN))
    except BackendError as error:
        _tell(str(error))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paceline_integrations.backends",
        description="Trace backends, each in an environment below PACELINE_BACKENDS or the user's cache.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, what in (("install", "install them ahead of time"), ("list", "say where they are installed")):
        one = actions.add_parser(action, help=what, description=what)
        one.add_argument("backends", nargs="*", metavar="BACKEND", type=_known, help="default: all")
    serve = actions.add_parser("serve", help="run one until Ctrl-C", description="run one until Ctrl-C")
    serve.add_argument("backend", choices=_KNOWN)
    serve.add_argument("--port", type=int, help="default: 6006 for phoenix, 5000 for mlflow")
    serve.add_argument("--folder", type=Path, help="where it keeps its data; default: beside its environment")
    return parser


def _known(name: str) -> str:
    if name not in _KNOWN:
        raise argparse.ArgumentTypeError(f"there is no backend named {name!r}; known: {', '.join(_KNOWN)}")
    return name


def _each(action: str, names: list[str]) -> None:
    for name in names:
        environment = _KNOWN[name].environment
        if action == "install":
            environment.make(_tell)
        _say(f"{name}: {environment.folder if environment.ready else 'not installed'}")


def _serve(name: str, port: int, folder: Path | None) -> None:
    """Run one until a signal, and say how traces are sent to it."""
    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    with _KNOWN[name](folder or kept_folder() / f"{name}-data", port=port, tell=_tell) as backend:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        _say(f"# {name} is at {backend.url}; Ctrl-C ends it. For whatever sends traces:")
        for variable, value in backend.variables.items():
            _say(f"export {variable}={value}")
        over.wait()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # as it was being installed or started
        sys.exit(130)
