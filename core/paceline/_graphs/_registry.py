"""A list of graphs and flows, for tools that show or run them by name; none exists unless it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, final

from paceline._errors import NameTaken, UnknownName

from ._runs import Composite

__all__ = ["Registry"]

C = TypeVar("C", bound=Composite[..., Any])


@final
class Registry(Mapping[str, Composite[..., Any]]):
    """Graphs and flows by name: `registry = Registry()`, then `@registry.add` above `@dag` or `@flow`.

    A mapping: `registry["report"]`, `list(registry)`.
    """

    def __init__(self, *composites: Composite[..., Any]) -> None:
        self._found: dict[str, Composite[..., Any]] = {}
        for each in composites:
            self.add(each)

    def add(self, composite: C) -> C:
        """Put in a graph or flow, and give it back.

        Raises:
            NameTaken: if another one has its name.
        """
        if not isinstance(composite, Composite):  # pyright: ignore[reportUnnecessaryIsInstance]  # user code, often untyped
            raise TypeError(f"a registry holds graphs and flows, not {composite!r}")
        if self._found.setdefault(composite.name, composite) is not composite:
            raise NameTaken("graph", composite.name)
        return composite

    def __getitem__(self, name: str) -> Composite[..., Any]:
        found = self._found.get(name)
        if found is None:
            raise UnknownName("graph or flow", name, self._found)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"Registry({', '.join(self._found)})"
