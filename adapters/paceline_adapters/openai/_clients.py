"""The client that requests go by: without retries of its own, and closed by whoever made it."""

from __future__ import annotations

from openai import AsyncOpenAI, OpenAI

from paceline import NoAdapter, PerLoop

__all__ = ["adapt", "clients"]

_METHODS = ("create", "parse", "retrieve", "stream")


def clients(given: AsyncOpenAI | None) -> PerLoop[AsyncOpenAI]:
    """The client that a user gave, without retries of its own; or one for each event loop."""
    return PerLoop(
        None if given is None else _without_retries(given),
        lambda: AsyncOpenAI(max_retries=0),
        AsyncOpenAI.close,
    )


def _without_retries(given: object) -> AsyncOpenAI:
    """A copy that shares the connections, headers and hooks of the client, and tries each request once."""
    if isinstance(given, OpenAI):
        raise TypeError(
            f"{type(given).__name__} is the client for sync code, and would block the event loop: give an "
            f"Async{type(given).__name__}(...) of the same arguments"
        )
    if not isinstance(given, AsyncOpenAI):
        raise TypeError(f"the client must be an openai.AsyncOpenAI, or None to have one made, not {given!r}")
    if not given.max_retries:
        return given
    if _is_wrapped(given):
        raise ValueError(
            "methods of this client were replaced on the object itself (as LangSmith's wrap_openai does), "
            "and a copy without retries would lose that: make it with max_retries=0, then wrap it"
        )
    return given.with_options(max_retries=0)


def _is_wrapped(client: AsyncOpenAI) -> bool:
    # In vars(): there the client keeps its resources once they were used, and replaced methods are.
    chat: object = vars(client).get("chat")
    resources: list[object] = [vars(client).get("responses")]
    if chat is not None:
        resources.append(vars(chat).get("completions"))
    return any(name in vars(each) for each in resources if each is not None for name in _METHODS)


def adapt(obj: object) -> None:
    """Say what runs a client: it names no model by itself. This is what `paceline.as_executor` calls.

    Raises:
        NoAdapter: if it is a client.
    """
    if isinstance(obj, AsyncOpenAI | OpenAI):
        name = type(obj).__name__
        raise NoAdapter(
            f"{name} names no model: paceline_adapters.openai.ResponsesExecutor(client, model=...) runs its "
            "Responses API, and ChatExecutor(client, model=...) Chat Completions"
        )
