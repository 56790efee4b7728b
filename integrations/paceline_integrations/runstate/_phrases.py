"""The words for what holds jobs; each goes on from "the job" or "9 jobs"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["called", "kind", "many", "one", "others", "phrase", "telling"]

_WORDS: Final[Mapping[str, str]] = {
    "reply": "waits for the answer to a question",
    "circuit": "waits because {on} keeps failing, and is tried again later",
    "budget": "waits because too little is left of {on}",
    "retry_after": "waits because {on} asked for a pause",
    "limit": "waits at a limit ({on})",
    "lock": "waits until another job lets go of the lock '{on}'",
    "prefix": "waits until the shared part of its prompt is in the provider's cache again",
    "cache": "waits until the provider has stored the shared part of its prompt",
    "question": "waits until a question in '{on}' is answered",
    "lane_cap": "waits because lane {on} has as many jobs at work as it may",
    "max_running": "waits because '{on}' has as many jobs at work as it may",
    "group_in_flight": "waits because its group '{on}' has as many jobs at work as it may",
    "active_groups": "waits until one of the groups at work is done",
    "release": "waits for its primer '{on}' to answer",
    "release_complete": "waits for its primer '{on}' to end",
    "no_primer": "waits for the primer of its group '{on}', which has not come yet",
    "settle": "waits a moment until the provider has stored what the primer of '{on}' read",
    "backoff": "waits to be tried again, after an error",
    "dependency": "waits for '{on}' to end",
    "dependency_group": "waits for the group '{on}' to end",
    "lane_share": "waits for a free slot, and other lanes come first",
    "slot": "waits for a free slot",
    "turn": "waits for its turn in lane {on}",
    "children": "waits for jobs of its own",
    "rest": "looks again by itself later",
}
_SEVERAL: Final[Mapping[str, str]] = {
    "release": "wait for the primers of their {count} groups to answer",
    "release_complete": "wait for the primers of their {count} groups to end",
    "no_primer": "wait for the primers of their {count} groups, which have not come yet",
    "settle": "wait a moment until the provider has stored what the primers of their {count} groups read",
    "reply": "wait for the answers to their questions",
    "backoff": "wait to be tried again, after errors",
}
_TELLING: Final = (
    "reply",
    "circuit",
    "budget",
    "retry_after",
    "limit",
    "lock",
    "prefix",
    "cache",
    "question",
)
"""What a person may have to do something about, or what is unusual: most telling first."""
_KINDS: Final[Mapping[str, str]] = {
    "release_complete": "release",
    "no_primer": "release",
    "dependency_group": "dependency",
    "turn": "slot",
}


def kind(words: str) -> str:
    """The kind of a reason, as `paceline.WaitReason` has it, of the name of its words here."""
    return _KINDS.get(words, words)


def telling(words: str) -> int:
    """Where a reason stands: the lower, the more it tells."""
    return _TELLING.index(words) if words in _TELLING else len(_TELLING)


def one(words: str, on: str) -> str:
    """Say it of one job."""
    if words == "reply" and on:
        return f"asks: {on}"
    if words == "backoff" and on:
        return f"waits to be tried again, after an error ({on})"
    return _WORDS.get(words, "waits ({on})").replace("{on}", on)


def phrase(wait_kind: str, on: str | None = None, *, several: bool = False) -> str:
    """Say what a job waits for, or several, whose `paceline.WaitReason` is of that kind."""
    what = called(on or "")
    return many(wait_kind, [what]) if several else one(wait_kind, what)


def many(words: str, ons: Sequence[str]) -> str:
    """Say it of several jobs; `ons` are the things for which they wait."""
    more = len(ons) - 1
    if more > 0 and words in _SEVERAL:
        return _SEVERAL[words].replace("{count}", f"{more + 1:,}")
    text = _WORDS.get(words, "waits ({on})").replace("waits", "wait").replace("looks", "look")
    text = text.replace(" its ", " their ").replace(" itself ", " themselves ")
    if more > 0:
        text = text.replace("'{on}'", f"'{{on}}' and {more:,} more").replace(
            "{on})", f"{{on}} and {more:,} more)"
        )
    return text.replace("{on}", ons[0] if ons else "")


def called(on: str) -> str:
    """What limits, by the engine's own name, are of all jobs, in words; any other name as it is."""
    if on == "*":
        return "the provider"
    return f"all jobs{on[1:]}" if on.startswith("*: ") else on


def others(count: int) -> str:
    """A number of others."""
    return "another one" if count == 1 else f"{count:,} others"
