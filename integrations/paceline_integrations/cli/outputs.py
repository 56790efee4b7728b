"""Where the files of a command may lie: not on each other, nor on what is there already."""

from __future__ import annotations

from pathlib import Path

from ._errors import CommandError
from .results import refuse_existing

__all__ = ["check_outputs"]


def check_outputs(
    inputs: dict[str, Path | None], outputs: dict[str, Path | None], *, overwrite: bool
) -> None:
    """Look at files before anything is run: inputs by what they are, outputs by their options.

    Raises:
        CommandError: for the first output that cannot be where it is to be.
    """
    written: dict[str, Path] = {}
    for flag, output in outputs.items():
        if output is None:
            continue
        for what, path in inputs.items():
            if path is not None and _same(output, path):
                raise CommandError(f"{flag} {output}: that is the file of the {what}")
        if not overwrite:
            refuse_existing(flag, output)
        if not output.parent.is_dir():
            raise CommandError(f"{flag} {output}: the folder {output.parent} does not exist")
        for other, path in written.items():
            if _same(output, path):
                raise CommandError(f"{other} and {flag} name the same file, {path}")
        written[flag] = output


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)  # also by another name
    except OSError:
        return one.resolve() == other.resolve()
