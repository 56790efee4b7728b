"""From `module:attribute` to an executor."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from paceline import Executor, PacelineError, as_executor

from ._errors import CommandError

__all__ = ["load_executor"]


def load_executor(spec: str) -> Executor:
    """Import what `module:attribute` names (the current folder is looked in first) and make it an Executor.

    Raises:
        CommandError: saying which part failed, and why.
    """
    module_name, _, path = spec.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    module = _import(spec, module_name)
    found = _attribute(spec, module, path)
    if isinstance(found, type) and callable(getattr(found, "execute", None)):
        raise CommandError(f"--executor {spec}: {path} is a class: name an object of it")
    try:
        executor = as_executor(found)
    except (PacelineError, ImportError) as error:
        raise CommandError(f"--executor {spec}: {error}") from error
    if executor is not found and inspect.isroutine(found):
        _check_signature(spec, found)
    return executor


def _import(spec: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever it raises (SystemExit too), the person is to hear why
        where = ""
        frames = traceback.extract_tb(error.__traceback__)
        if frames and not frames[-1].filename.startswith("<frozen importlib"):
            where = f" ({frames[-1].filename}, line {frames[-1].lineno})"
        reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise CommandError(f"--executor {spec}: cannot import {name!r}: {reason}{where}") from error


def _attribute(spec: str, module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            near = get_close_matches(name, [each for each in dir(found) if not each.startswith("_")], 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            owner = module.__name__ if found is module else path
            place = f" ({module.__file__})" if getattr(module, "__file__", None) else ""
            raise CommandError(f"--executor {spec}: {owner}{place} has no {name!r}{hint}") from error
    return found


def _check_signature(spec: str, function: Any) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise CommandError(
            f"--executor {spec}: it is to be called with one argument, the payload, but {error}: "
            f"its signature is {signature}"
        ) from error
