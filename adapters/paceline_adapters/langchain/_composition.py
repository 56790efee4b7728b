"""Looking into composed Runnables: what they are made of, and copies with a part or two exchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from operator import is_
from typing import Any, cast

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable, RunnableWithFallbacks

__all__ = ["WholeAnswer", "has_model", "prepared"]

# Where langchain_core's own compositions keep what they are composed of.
_PARTS = frozenset(
    {"alternatives", "bound", "branches", "default", "fallbacks", "first", "last", "mapper", "middle"}
    | {"runnable", "runnables", "steps__"}
)


def has_model(runnable: object) -> bool:
    """Whether a language model can be seen in it; one inside a function cannot."""
    if isinstance(runnable, BaseLanguageModel):
        return True
    return any(has_model(part) for part in _parts(runnable))


def prepared(runnable: Runnable[Any, Any], *, partial: bool = True) -> Runnable[Any, Any]:
    """Return it, or a copy in which models report usage in streams and parsers end with the whole answer.

    ChatOpenAI on another base URL leaves usage off unless told otherwise; a model that says nothing of
    `stream_usage` is exchanged for a copy that says True. The object given is left as it is. A model that a
    function holds cannot be reached: set `stream_usage=True` on that one yourself.
    """
    if isinstance(runnable, BaseLanguageModel):
        return _with_usage(runnable)
    if isinstance(runnable, BaseCumulativeTransformOutputParser):
        return WholeAnswer(runnable, partial)
    if not _is_composed(runnable):
        return runnable
    # Once a chunk has come there is no falling back: parsers keep theirs until all is well.
    partial = partial and not isinstance(runnable, RunnableWithFallbacks)
    changed = {
        name: new
        for name, old in vars(runnable).items()
        if name in _PARTS and (new := _exchanged(old, partial)) is not old
    }
    return cast("Any", runnable).model_copy(update=changed) if changed else runnable


class WholeAnswer(Runnable[Any, Any]):
    """A parser of partial answers whose stream ends as `ainvoke` would: with the whole one, or its error.

    LangChain's own stream ends with the last part that made sense, so that a broken answer looks like a
    short one.
    """

    def __init__(self, parser: BaseCumulativeTransformOutputParser[Any], partial: bool) -> None:
        self._parser: BaseCumulativeTransformOutputParser[Any] = parser
        self._partial: bool = partial

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Parse an answer."""
        return self._parser.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Parse an answer."""
        return await self._parser.ainvoke(input, config, **kwargs)

    async def atransform(
        self,
        input: AsyncIterator[Any],  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Parse an answer as it comes, if parts are wanted, and once more when it is there."""
        if not self._partial:
            async for whole in super().atransform(input, config, **kwargs):
                yield whole
            return
        answer: Any = None

        async def heard() -> AsyncIterator[Any]:
            nonlocal answer
            async for chunk in input:
                answer = chunk if answer is None else answer + chunk
                yield chunk

        parsed: Any = None
        async with aclosing(cast("Any", self._parser.atransform(heard(), config, **kwargs))) as parts:
            async for parsed in parts:
                yield parsed
        if answer is not None:
            whole = await self._parser.aparse_result([_generation(answer)])
            if parsed is None or whole != parsed:
                yield whole


def _generation(answer: Any) -> Generation:
    return ChatGeneration(message=answer) if isinstance(answer, BaseMessage) else Generation(text=answer)


def _with_usage(model: BaseLanguageModel[Any]) -> Runnable[Any, Any]:
    if getattr(model, "stream_usage", True) is not None:
        return model
    if "stream_options" in (getattr(model, "model_kwargs", None) or {}):
        return model
    return model.model_copy(update={"stream_usage": True})


def _is_composed(obj: object) -> bool:
    """LangChain's own classes only: what a subclass keeps besides is not ours to know."""
    module = type(obj).__module__
    return module.startswith("langchain_core.") and isinstance(obj, RunnableSerializable)


def _exchanged(value: Any, partial: bool) -> Any:
    """The same for what a field holds: a Runnable, or a list, tuple or mapping of them."""
    kind: object = value
    if isinstance(kind, Runnable):
        return prepared(value, partial=partial)
    if isinstance(kind, list | tuple):
        new = [_exchanged(each, partial) for each in value]
        return value if all(map(is_, new, value)) else type(value)(new)
    if isinstance(kind, Mapping):
        made = {key: _exchanged(each, partial) for key, each in value.items()}
        return value if all(made[key] is value[key] for key in made) else made
    return value


def _parts(obj: object) -> Iterator[object]:
    """What it is directly composed of."""
    if _is_composed(obj):
        fields: dict[str, Any] = vars(obj)
        for name in _PARTS & fields.keys():
            yield from _flat(fields[name])


def _flat(value: Any) -> Iterator[object]:
    kind: object = value
    if isinstance(kind, list | tuple):
        for each in value:
            yield from _flat(each)
    elif isinstance(kind, Mapping):
        yield from value.values()
    else:
        yield value
