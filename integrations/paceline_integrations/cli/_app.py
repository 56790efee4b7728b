"""What `paceline` starts: the commands, and how mistakes are told: one line each, exit code 2."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import Callable
from typing import Annotated, cast

try:
    import rich as _rich
    import typer
except ImportError as _error:
    raise ImportError('the command line needs an extra: pip install "paceline[cli]"') from _error

from ._errors import CommandError
from .compare import compare
from .demo import demo
from .follow import follow, replay
from .graph import graph
from .interrupts import INTERRUPTED, leave_interrupted
from .plan import plan
from .run import run
from .show import show
from .simulate import simulate

del _rich

__all__ = ["app", "main"]

app = typer.Typer(
    name="paceline",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _help(command: Callable[..., None]) -> str:
    """Let paragraphs of a docstring flow: a terminal is seldom as wide as its lines."""
    paragraphs = inspect.getdoc(command) or ""
    return "\n\n".join(" ".join(each.split()) for each in paragraphs.split("\n\n"))


for _command in (run, follow, replay, show, plan, graph, demo, compare, simulate):
    app.command(help=_help(_command))(_command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"paceline {version('paceline')}")
        raise typer.Exit


@app.callback()
def _paceline(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and leave.")
    ] = False,
) -> None:
    """Run families of LLM jobs fairly, cheaply and visibly, through the framework you already have."""


def main() -> None:
    """Run the command that `sys.argv` names, and leave the process with its exit code.

    0: all succeeded. 1: some did not. 2: bad usage or input, told in one line. 3: all succeeded but those
    that wait for an answer. 130: interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        # Texts of jobs are of any language, a terminal's encoding perhaps is not.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = call(sys.argv[1:])
    if code == INTERRUPTED:
        leave_interrupted()
    sys.exit(code)


def call(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    try:
        code: object = app(arguments, prog_name="paceline", standalone_mode=False)
    except CommandError as error:
        for line in error.lines:
            print(f"paceline: {line}", file=sys.stderr)
        return error.code
    except typer.TyperException as error:
        # One line instead of a framed one with the usage above it: the same whoever finds the mistake.
        hint = getattr(getattr(error, "ctx", None), "command_path", "paceline")
        if error.format_message():  # there is none where the help was shown, for want of a command
            print(f"paceline: {error.format_message()} (see {hint} --help)", file=sys.stderr)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (OSError, ExceptionGroup) as error:
        told = _output_error(error)
        if told is None:
            raise
        print(f"paceline: cannot write the output: {told}", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0


def _output_error(error: BaseException) -> OSError | None:
    """What the system says of a file, where that is all that went wrong."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        found = [_output_error(each) for each in group.exceptions]
        return found[0] if all(found) else None
    return error if isinstance(error, OSError) else None
