"""Fan-out over a list that is known only at run time: one job an item, and the list of what they put out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, cast, final

from paceline._bodies import Body, BodyKind, Child, Inputs, LiveBody, SkipJob
from paceline._errors import InputError
from paceline._parking import wait
from paceline._room import BREATH

if TYPE_CHECKING:
    from paceline._live import LiveAttempt
    from paceline._record import Record

    from ._steps import Step

__all__ = ["MapBody", "Piped"]

_NO_LISTS = (str, bytes, bytearray, Mapping, set, frozenset)


class Piped:
    """In place of a list: the items of another map, each of which can be taken as soon as it is there."""

    __slots__ = ("expanded", "record")

    def __init__(self, record: Record, expanded: asyncio.Future[None]) -> None:
        self.record: Record = record
        self.expanded: asyncio.Future[None] = expanded
        """Done when that map has submitted its items, or has ended without."""


class _FromItems(Inputs):
    """The arguments of an item that takes its part from the items of other maps."""

    __slots__ = ("_arguments", "_sources", "_whole")

    def __init__(self, arguments: Any, sources: Mapping[str, Record], *, whole: bool) -> None:
        self._arguments = arguments
        self._sources = sources
        self._whole = whole

    def resolve(self) -> object:
        if self._whole:
            return next(iter(self._sources.values())).output
        return {**self._arguments, **{name: record.output for name, record in self._sources.items()}}


@final
class MapBody(Body):
    """The executor of a fan-out."""

    kind: BodyKind = "map"

    def __init__(self, step: Step[..., Any], mapped: tuple[str, ...]) -> None:
        self.name: str = step.name
        self.step: Step[..., Any] = step
        self.mapped: tuple[str, ...] = mapped
        """The arguments that are lists; none where the payload itself is the list."""

    def open(self, live: LiveAttempt) -> LiveBody:
        return LiveMap(self, live)


@final
class LiveMap(LiveBody):
    """A fan-out at work."""

    kind: BodyKind = "map"

    def __init__(self, body: MapBody, live: LiveAttempt) -> None:
        super().__init__(live)
        self._body = body
        self.items: list[Record] = []
        self.complete: bool = False
        """All its items are submitted."""
        self._after: dict[Record, tuple[Record, ...]] = {}

    async def work(self) -> list[Any]:
        step, mapped, run, live = self._body.step, self._body.mapped, self.live.run, self.live
        payload = live.job.payload
        lists = {name: payload[name] for name in mapped} if mapped else {"": payload}
        columns = {name: await self._column(name, each) for name, each in lists.items()}
        _same_length(self._body.name, columns)
        same = {name: each for name, each in payload.items() if name not in mapped} if mapped else {}
        options = step.job_options
        bound = run.executors.bind(step.executor)
        lane = run.intake.lane(options.lane) if "lane" in step.options else live.record.lane
        key, name = live.job.key or live.job.name, live.job.name
        for number, row in enumerate(zip(*columns.values(), strict=True)):
            given = dict(zip(columns, row, strict=True))
            piped = {each: record for each, record in given.items() if isinstance(lists[each], Piped)}
            arguments: Any = {**same, **given} if mapped else given[""]
            if piped:
                arguments = _FromItems(arguments, piped, whole=not mapped)
            place = f"[{number}]"
            after = [(record, True) for record in piped.values()]
            record = run.intake.add(
                arguments, options, live, lane, key + place, bound=bound, name=name + place, after=after
            )
            self.items.append(record)
            if piped:
                self._after[record] = tuple(piped.values())
            if number % BREATH == BREATH - 1:
                run.dispatch()
                await asyncio.sleep(0)
        self.complete = True
        parent = self.record.parent
        if parent is not None and parent.body is not None:
            parent.body.expanded(self.record)
        run.dispatch()
        await self.all_ended()
        return self._result()

    async def _column(self, name: str, given: Any) -> Sequence[Any]:
        """The items of one list, or, of a piped one, their jobs."""
        if not isinstance(given, Piped):
            return as_list(self._body.name, name, given)
        await wait(self.live.run, given.expanded)
        source = given.record
        if not isinstance(source.body, LiveMap) or not source.body.complete:
            raise SkipJob(source.error)  # it has ended before it came to its items
        return source.body.items

    def _result(self) -> list[Any]:
        failed = next((each for each in self.items if each.status in {"failed", "cancelled"}), None)
        if failed is not None:
            raise failed.failure() from failed.error
        skipped = next((each for each in self.items if each.status == "skipped"), None)
        if skipped is not None:
            raise SkipJob(skipped.error)
        return [each.output for each in self.items]

    def children(self) -> Iterator[Child]:
        for number, record in enumerate(self.items):
            yield f"[{number}]", record, self._after.get(record, ())


def as_list(task: str, argument: str, value: Any) -> Sequence[Any]:
    """What a map goes over.

    Raises:
        InputError: if it is a text, a mapping or a set, or nothing that can be gone over.
    """
    if isinstance(value, list | tuple):
        return cast("Sequence[Any]", value)
    # Sized or an iterator: a pydantic model, say, can be gone over, and is no list.
    if (
        isinstance(value, Sized | Iterator)
        and isinstance(value, Iterable)
        and not isinstance(value, _NO_LISTS)
    ):
        return list(cast("Iterable[Any]", value))
    what = f"argument {argument!r}" if argument else "its payload"
    given: object = value
    said = f"map of task {task!r} goes over a list, but {what} is a {type(given).__name__}: {given!r:.80}"
    raise InputError(
        said + ("; a set has no order, sort it first" if type(given) in {set, frozenset} else "")
    )


def _same_length(task: str, columns: Mapping[str, Sequence[Any]]) -> None:
    lengths = {name: len(each) for name, each in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        raise InputError(f"map of task {task!r} takes lists side by side, of one length; {listed}")
