"""From `module:attribute` to an object, or to an executor."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from paceline import Executor, PacelineError, Registry, UnknownName, as_executor

from ._errors import CommandError

__all__ = ["load", "load_executor"]


def load_executor(spec: str) -> Executor:
    """Import what `module:attribute` names (the current folder is looked in first) and make it an Executor.

    Raises:
        CommandError: saying which part failed, and why.
    """
    place = f"--executor {spec}"
    found = load(spec, place)
    path = spec.partition(":")[2]
    if isinstance(found, type) and callable(getattr(found, "execute", None)):
        raise CommandError(f"{place}: {path} is a class: name an object of it")
    try:
        executor = as_executor(found)
    except (PacelineError, ImportError, TypeError, ValueError) as error:  # each says what to do
        raise CommandError(f"{place}: {error}") from error
    if executor is not found and inspect.isroutine(found):
        _check_signature(place, found)
    return executor


def load(spec: str, place: str) -> Any:
    """Import what `module:attribute` names; the current folder is looked in first.

    An attribute may have attributes, and a registry graphs: `module:registry.report`. `place` says in errors
    where the name was given.

    Raises:
        CommandError: saying which part failed, and why.
    """
    module_name, _, path = spec.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return _attribute(place, _import(place, module_name), path)


def _import(place: str, name: str) -> ModuleType:
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
        raise CommandError(f"{place}: cannot import {name!r}: {reason}{where}") from error


def _attribute(place: str, module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = found[name] if isinstance(found, Registry) else getattr(found, name)
        except UnknownName as error:
            raise CommandError(f"{place}: {error}") from error
        except AttributeError as error:
            near = get_close_matches(name, [each for each in dir(found) if not each.startswith("_")], 3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            owner = module.__name__ if found is module else path
            file = f" ({module.__file__})" if getattr(module, "__file__", None) else ""
            raise CommandError(f"{place}: {owner}{file} has no {name!r}{hint}") from error
    return found


def _check_signature(place: str, function: Any) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise CommandError(
            f"{place}: it is to be called with one argument, the payload, but {error}: "
            f"its signature is {signature}"
        ) from error
