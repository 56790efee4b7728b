"""GROUPS.jsonl: one group a line. It is checked as a whole before anything runs, then read line by line."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from ._errors import CommandError

__all__ = ["GroupLine", "GroupsFile", "Member"]

_MOST_TOLD = 5
_COPY = 1 << 20
_SHAPE = '{"group": "...", "primer": ..., "followers": [...]}'


class Member(BaseModel):
    """A job of a group: its payload and, if it has one, its name."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    payload: Any
    name: Annotated[str, Field(min_length=1)] | None = None


class GroupLine(BaseModel):
    """One line. `primer` and `followers` hold payloads, or `{"name": ..., "payload": ...}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    group: Annotated[str, Field(min_length=1)]
    lane: Annotated[str, Field(min_length=1)] = "default"
    primer: Any = None
    followers: list[Any] = []
    metadata: dict[str, Any] = {}

    def members(self) -> tuple[Member | None, list[Member]]:
        """Return the primer, if there is one, and the followers."""
        primer = None if self.primer is None else _member(self.primer)
        return primer, [_member(each) for each in self.followers]

    @property
    def jobs(self) -> int:
        """How many jobs it stands for."""
        return len(self.followers) + (self.primer is not None)


def _member(value: Any) -> Member:
    # Only an object of just these keys: any other with a "payload" in it is somebody's own payload.
    if isinstance(value, dict) and "payload" in value and value.keys() <= {"name", "payload"}:
        return Member.model_validate(value)
    return Member(payload=value)


@dataclass(slots=True)
class _Index:
    """What is remembered of a file: a few bytes a line."""

    offsets: array[int] = field(default_factory=lambda: array("q"))
    first_jobs: array[int] = field(default_factory=lambda: array("q"))
    """How many jobs stand before each line."""
    lanes: dict[str, array[int]] = field(default_factory=dict[str, "array[int]"])
    """The lines of each lane."""
    jobs: int = 0
    found: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


class GroupsFile:
    """A file of groups that was found to be in order: `with GroupsFile(path) as groups`.

    It is read twice, so that nothing runs if a line is wrong and yet only the lines at work are in memory.
    What cannot be read twice (standard input, for which "-" stands, or a pipe) is copied to a temporary file.
    `tags` are keys of the metadata by whose values jobs are told apart: they must be such values. `called`
    are keys or names of jobs; those of the file that are called so are then in `found`.

    Raises:
        CommandError: if it cannot be read, or a line is wrong: where, and what was expected.
    """

    def __init__(
        self, path: Path, *, tags: Collection[str] = (), called: Collection[str] = frozenset()
    ) -> None:
        self.name = "<stdin>" if str(path) == "-" else str(path)
        self._file = _open(path, self.name)
        try:
            self._index = _Check(self.name, tags, called).read(self._file)
        except BaseException:
            self._file.close()
            raise

    @property
    def jobs(self) -> int:
        """How many jobs there are."""
        return self._index.jobs

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self._index.offsets)

    @property
    def found(self) -> Mapping[str, list[str]]:
        """The keys of the jobs that are called so, by key or name."""
        return self._index.found

    @property
    def lanes(self) -> list[str]:
        """The lanes that are named, in the order of their first groups."""
        return list(self._index.lanes)

    def lines(self, lane: str) -> Iterator[tuple[int, GroupLine]]:
        """Read the groups of a lane, each with the number of jobs that stand before it in the file.

        Raises:
            CommandError: if the file has changed meanwhile.
        """
        for number in self._index.lanes[lane]:
            self._file.seek(self._index.offsets[number])
            try:
                line = GroupLine.model_validate(from_json(self._file.readline()))
            except ValueError as error:
                raise CommandError(f"{self.name} was changed while it was being run", code=1) from error
            yield self._index.first_jobs[number], line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _open(path: Path, name: str) -> IO[bytes]:
    try:
        if name == "<stdin>":
            return _copy(sys.stdin.buffer)
        file = path.open("rb")
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        with file:
            return _copy(file)
    except OSError as error:
        raise CommandError(f"{name}: cannot be read: {error.strerror}") from error


def _copy(source: IO[bytes]) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the GroupsFile closes it
    shutil.copyfileobj(source, copy, _COPY)
    copy.seek(0)
    return copy


class _Check:
    """The first reading."""

    def __init__(self, name: str, tags: Collection[str], called: Collection[str]) -> None:
        self._name = name
        self._tags = tags
        self._called = called
        self._wrong: list[str] = []
        self._found = 0
        self._seen: dict[str, int] = {}

    def read(self, file: IO[bytes]) -> _Index:
        index = _Index()
        offset = 0
        for number, raw in enumerate(file, start=1):
            text = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if text.strip():
                try:
                    self._enter(index, self._parse(text), number, offset + len(raw) - len(text))
                except ValueError as error:
                    self._tell(number, str(error))
            offset += len(raw)
        if self._found > len(self._wrong):
            self._wrong.append(f"{self._name}: and {self._found - len(self._wrong)} more lines are wrong")
        if not self._found and not index.offsets:
            self._wrong.append(f"{self._name}: there is no group in it; expected one a line: {_SHAPE}")
        if self._wrong:
            raise CommandError(*self._wrong)
        return index

    def _parse(self, text: bytes) -> GroupLine:
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 text: byte {error.start + 1} of the line is wrong") from error
        try:
            found: object = from_json(text)
        except ValueError as error:
            what = str(error).replace(" at line 1 column ", " at column ")  # the file has another line 1
            raise ValueError(f"not JSON: {what}; expected {_SHAPE}") from error
        if not isinstance(found, dict):
            raise ValueError(f"expected an object such as {_SHAPE}, not {_kind(found)}")  # noqa: TRY004
        try:
            line = GroupLine.model_validate(found)
        except ValidationError as error:
            raise ValueError(_told(error)) from error
        if not line.jobs:
            raise ValueError(f"group {line.group!r} has no jobs: expected a primer, followers or both")
        for tag in self._tags:
            if isinstance(line.metadata.get(tag), list | dict):
                found = _kind(line.metadata[tag])
                what = f"metadata: {tag!r} must be a text or a number, not {found}: a budget goes by it"
                raise ValueError(what)  # noqa: TRY004 - as all that is wrong with a line
        for where, member in _members(line):
            try:
                _member(member)
            except ValidationError as error:
                raise ValueError(f"{where}: {_told(error)}") from error
        return line

    def _enter(self, index: _Index, line: GroupLine, number: int, offset: int) -> None:
        earlier = self._seen.setdefault(line.group, number)
        if earlier != number:
            raise ValueError(f"group {line.group!r} is already on line {earlier}: names must differ")
        index.lanes.setdefault(line.lane, array("q")).append(len(index.offsets))
        index.offsets.append(offset)
        index.first_jobs.append(index.jobs)
        index.jobs += line.jobs
        if self._called:
            self._find(index, line)

    def _find(self, index: _Index, line: GroupLine) -> None:
        primer, followers = line.members()
        members = [(f"{line.group}/follower/{place}", each) for place, each in enumerate(followers)]
        if primer is not None:
            members.append((f"{line.group}/primer", primer))
        for key, member in members:
            for called in dict.fromkeys((key, member.name or key)):
                if called in self._called:
                    index.found.setdefault(called, []).append(key)

    def _tell(self, number: int, what: str) -> None:
        self._found += 1
        if self._found <= _MOST_TOLD:
            self._wrong.append(f"{self._name}:{number}: {what}")


def _members(line: GroupLine) -> Iterator[tuple[str, Any]]:
    if line.primer is not None:
        yield "primer", line.primer
    for place, follower in enumerate(line.followers):
        yield f"followers[{place}]", follower


def _kind(value: object) -> str:
    names: dict[type, str] = {
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), "an object")


_EXPECTED = {
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "an object",
    "string_too_short": "a text that is not empty",
}


def _told(error: ValidationError) -> str:
    """Say what is wrong with an object, in the words of JSON."""
    first = error.errors(include_url=False)[0]
    where = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return f"{where!r} is missing; expected {_SHAPE}"
    if first["type"] == "extra_forbidden":
        return f"unknown key {where!r}; known: {', '.join(GroupLine.model_fields)}"
    expected = _EXPECTED.get(str(first["type"]))
    if expected is None:
        return f"{where}: {first['msg']}"
    given = cast("object", first["input"])
    return f"{where!r} must be {expected}, not {_kind(given) if given != '' else 'an empty one'}"
