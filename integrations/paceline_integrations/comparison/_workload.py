"""What is to be done: groups of requests that begin with one document, and the least that it can cost."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random

from paceline_integrations.simulator._tokens import Prompt, PromptWriter, common_tokens
from paceline_integrations.simulator._words import words

__all__ = ["Request", "Workload", "ideal_tokens"]

MODEL = "simulator"


@dataclass(frozen=True, slots=True)
class Request:
    """One call: which group it is of, what the model reads, and how many tokens it answers."""

    group: str
    prompt: Prompt
    answer: int


@dataclass(frozen=True)
class Workload:
    """`groups` documents of `document` tokens, and on each `followers` + 1 questions of `question` tokens.

    Answers have `answer` tokens, and up to `spread` (a share) more or less. The same seed gives the same
    texts and lengths.
    """

    groups: int = 20
    followers: int = 9
    document: int = 4000
    question: int = 60
    answer: int = 100
    spread: float = 0.5
    seed: int = 0

    @property
    def jobs(self) -> int:
        """How many requests there are."""
        return self.groups * (self.followers + 1)

    @functools.cached_property
    def requests(self) -> tuple[Request, ...]:
        """All requests, group by group."""
        dice = Random(self.seed)  # noqa: S311 - a load to repeat
        return tuple(
            request for number in range(self.groups) for request in self._group(f"document-{number}", dice)
        )

    @property
    def by_group(self) -> dict[str, list[Request]]:
        """The requests of each group; the first of them is the primer's."""
        return {name: list(each) for name, each in groupby(self.requests, key=lambda one: one.group)}

    def _group(self, name: str, dice: Random) -> Iterable[Request]:
        document = f"{name}: {words(dice, self.document)}"
        for _ in range(self.followers + 1):
            writer = PromptWriter()
            writer.header("system")
            writer.add(document)
            writer.header("user")
            writer.add(words(dice, self.question))
            answer = max(1, round(self.answer * dice.uniform(1 - self.spread, 1 + self.spread)))
            yield Request(name, writer.prompt(MODEL), answer)


def ideal_tokens(groups: Iterable[Sequence[Request]], *, block: int = 1) -> int:
    """The prompt tokens that must be evaluated at least: what a group shares, once, in whole blocks.

    A block that two prompts share to its last token is read from the cache by the second one; what is left
    over of the shared text, less than a block, is not (`block` 1: a cache that works token by token).
    """
    total = 0
    for requests in groups:
        for number, request in enumerate(requests):
            text, tokens = request.prompt.text, request.prompt.tokens
            shared = max((common_tokens(one.prompt.text, text) for one in requests[:number]), default=0)
            total += tokens - min(shared, tokens - 1) // block * block
    return total
