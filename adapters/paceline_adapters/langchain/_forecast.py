"""What a chain will use, as far as it can be told before it runs: which models, how often, how many tokens.

The chain is gone through as LangChain would run it, with the job's payload, but nothing is called: passed on
values and prompts are known, the outputs of models, functions and retrievers are not, and what a model gets
from those is unknown too. So is what models inside functions do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any, TypeAlias

from langchain_core.language_models import BaseLanguageModel
from langchain_core.prompts import BasePromptTemplate, ChatPromptTemplate, PromptTemplate
from langchain_core.prompts.few_shot import FewShotChatMessagePromptTemplate
from langchain_core.prompts.structured import StructuredPrompt
from langchain_core.runnables import (
    Runnable,
    RunnableAssign,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase, RunnableEachBase
from langchain_core.runnables.configurable import RunnableConfigurableAlternatives, RunnableConfigurableFields

from paceline import Cost
from paceline_adapters._langchain_core import EngineRateLimiter

from ._counting import input_tokens, model_name, most_output

__all__ = ["forecast", "model_names"]

_UNKNOWN: Any = object()
_PROMPTS = (PromptTemplate, ChatPromptTemplate, StructuredPrompt)
_EACH = 100
"""Of the items of one payload, how many are looked at; the others are taken to be like them."""

_Found: TypeAlias = tuple[Cost, Any]
"""What a part will use, and its output where that is known."""


def forecast(
    runnable: Runnable[Any, Any], payload: object, config: RunnableConfig | None = None
) -> Cost | None:
    """Say what running it once will use; None where no model can be seen in it.

    Several calls of models add up; what is unknown of one of them is unknown of all. Fallbacks and retries
    are not counted, and of branches the dearest is.
    """
    walk = _Walk(config)
    cost, _ = walk.found(runnable, payload, {})
    return cost if walk.models else None


def model_names(runnable: Runnable[Any, Any], config: RunnableConfig | None = None) -> tuple[str, ...]:
    """The names of the models that can be seen in it, each once; those of fallbacks are left out.

    A job that had to wait for the limits of a fallback would wait for what it seldom uses.
    """
    walk = _Walk(config)
    walk.found(runnable, _UNKNOWN, {})
    return tuple(dict.fromkeys(name for name in walk.models if name is not None))


class _Walk:
    """One way through a chain, and the models that were met on it."""

    def __init__(self, config: RunnableConfig | None) -> None:
        self._chosen: Mapping[str, Any] = (config or {}).get("configurable") or {}
        self.models: list[str | None] = []

    def found(self, runnable: object, value: Any, kwargs: Mapping[str, Any]) -> _Found:
        """What it will use of a value that it is given, and what it makes of it."""
        it: Any = runnable
        match runnable:
            case BaseLanguageModel():
                return self._model(it, value, kwargs)
            case BasePromptTemplate():
                return _free(_prompt(it, value))
            case RunnableSequence():
                return self._sequence(it.steps, value)
            case RunnableBranch():
                ways = [way for _, way in it.branches]
                return _dearest([self.found(way, value, {}) for way in (*ways, it.default)])
            case RunnableEachBase():
                return self._each(it.bound, value, kwargs)
            case RunnableBindingBase():
                return self._bound(it, value, kwargs)
            case RunnableWithFallbacks():
                return self.found(it.runnable, value, kwargs)
            case RunnableConfigurableAlternatives():
                chosen = self._configured(it).get(it.which.id, it.default_key)
                way = it.default if chosen == it.default_key else it.alternatives.get(chosen)
                return self.found(way, value, kwargs)
            case RunnableConfigurableFields():
                return self._fields(it, value, kwargs)
            case _:
                return self._plumbing(it, value)

    def _plumbing(self, runnable: object, value: Any) -> _Found:
        """What passes values on."""
        it: Any = runnable
        match runnable:
            case RunnableParallel():
                return self._parallel(it, value)
            case RunnableAssign():
                cost, more = self._parallel(it.mapper, value)
                known = _is_mapping(value) and more is not _UNKNOWN
                return cost, {**value, **more} if known else _UNKNOWN
            case RunnablePassthrough():
                return _free(value)
            case RunnablePick():
                return _free(_picked(it.keys, value))
            case RunnableLambda():
                function = getattr(it, "func", None)
                return _free(_item(function, value) if isinstance(function, itemgetter) else _UNKNOWN)
            case _:
                return _free(_UNKNOWN)

    def _model(self, model: BaseLanguageModel[Any], value: Any, kwargs: Mapping[str, Any]) -> _Found:
        # Each call of one with such a limiter is counted by that, and is not to be counted with the job too.
        counted = isinstance(getattr(model, "rate_limiter", None), EngineRateLimiter)
        self.models.append(None if counted else model_name(model, kwargs))
        read = None if value is _UNKNOWN else input_tokens(model, value, kwargs)
        return Cost(read, most_output(model, kwargs), 1), _UNKNOWN

    def _sequence(self, steps: Iterable[Any], value: Any) -> _Found:
        costs: list[Cost] = []
        for step in steps:
            cost, value = self.found(step, value, {})
            costs.append(cost)
        return _sum(costs), value

    def _parallel(self, runnable: Any, value: Any) -> _Found:
        found = {key: self.found(step, value, {}) for key, step in runnable.steps__.items()}
        known = all(output is not _UNKNOWN for _, output in found.values())
        outputs = {key: output for key, (_, output) in found.items()}
        return _sum([cost for cost, _ in found.values()]), outputs if known else _UNKNOWN

    def _bound(self, runnable: Any, value: Any, kwargs: Mapping[str, Any]) -> _Found:
        outer, self._chosen = self._chosen, self._configured(runnable)
        try:
            return self.found(runnable.bound, value, {**runnable.kwargs, **kwargs})
        finally:
            self._chosen = outer

    def _configured(self, runnable: Any) -> Mapping[str, Any]:
        """What is configured inside of it: the caller's word counts before its own."""
        config: Mapping[str, Any] = runnable.config or {}
        return {**(config.get("configurable") or {}), **self._chosen}

    def _fields(self, runnable: Any, value: Any, kwargs: Mapping[str, Any]) -> _Found:
        # Not runnable.prepare(): that would make another client for each job.
        configured = self._configured(runnable)
        chosen = {
            name: configured[field.id] for name, field in runnable.fields.items() if field.id in configured
        }
        default: object = runnable.default
        if chosen and not isinstance(default, BaseLanguageModel):
            return _free(_UNKNOWN)
        return self.found(runnable.default, value, {**chosen, **kwargs})

    def _each(self, bound: Any, value: Any, kwargs: Mapping[str, Any]) -> _Found:
        kind: object = value
        items: list[Any] | None = list(value) if isinstance(kind, list | tuple) else None
        if not items:
            cost, _ = self.found(bound, _UNKNOWN, kwargs)  # for its models
            return (cost if items is None else _NOTHING), _UNKNOWN
        found = [self.found(bound, item, kwargs) for item in items[:_EACH]]
        outputs = [output for _, output in found]
        known = len(items) <= _EACH and all(output is not _UNKNOWN for output in outputs)
        cost = _times(_sum([cost for cost, _ in found]), len(items) / len(found))
        return cost, outputs if known else _UNKNOWN


_NOTHING = Cost(0, 0, 0)


def _free(output: Any) -> _Found:
    return _NOTHING, output


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _picked(keys: str | list[str], value: Any) -> Any:
    try:
        if not _is_mapping(value):
            return _UNKNOWN
        return value[keys] if isinstance(keys, str) else {key: value[key] for key in keys}
    except KeyError:  # LangChain leaves it out, or gives None
        return _UNKNOWN


def _sum(costs: list[Cost]) -> Cost:
    return Cost(
        _known_sum([cost.input_tokens for cost in costs]),
        _known_sum([cost.output_tokens for cost in costs]),
        sum(cost.requests for cost in costs),
    )


def _known_sum(parts: list[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _times(cost: Cost, factor: float) -> Cost:
    def scaled(part: int | None) -> int | None:
        return None if part is None else round(part * factor)

    return Cost(scaled(cost.input_tokens), scaled(cost.output_tokens), round(cost.requests * factor))


def _dearest(found: list[_Found]) -> _Found:
    """One of several ways will be taken, nobody knows which."""

    def most(parts: list[int | None]) -> int | None:
        return None if None in parts else max(part for part in parts if part is not None)

    costs = [cost for cost, _ in found]
    dearest = Cost(
        most([cost.input_tokens for cost in costs]),
        most([cost.output_tokens for cost in costs]),
        max(cost.requests for cost in costs),
    )
    return dearest, _UNKNOWN


def _item(getter: Any, value: Any) -> Any:
    try:
        return _UNKNOWN if value is _UNKNOWN else getter(value)
    except Exception:  # noqa: BLE001 - the job will say so
        return _UNKNOWN


def _prompt(prompt: Any, value: Any) -> Any:
    """The prompt with the value filled in, where that is a matter of putting texts together."""
    if value is _UNKNOWN or type(prompt) not in _PROMPTS:
        return _UNKNOWN  # one with examples may look for them in a database
    if any(isinstance(part, FewShotChatMessagePromptTemplate) for part in getattr(prompt, "messages", ())):
        return _UNKNOWN
    names = prompt.input_variables
    if not _is_mapping(value):
        if len(names) != 1:
            return _UNKNOWN
        value = {names[0]: value}
    try:
        return prompt.format_prompt(**value)
    except Exception:  # noqa: BLE001 - the job will say so
        return _UNKNOWN
