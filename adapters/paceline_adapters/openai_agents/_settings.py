"""What a run is made with: what the job says for itself, and the run's configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypedDict, cast

from agents import Agent, ModelSettings, RunConfig, TResponseInputItem
from agents.models import get_default_model
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel

from paceline import Job

__all__ = [
    "AgentConfig",
    "Config",
    "config_of",
    "counted",
    "has_tools",
    "is_limit",
    "items_of",
    "keyed",
    "model_name",
    "model_names",
    "takes_key",
    "with_settings",
]

_KEY = "prompt_cache_key"


Config: TypeAlias = RunConfig | dict[str, ModelSettings]
"""A dict where the user has none: then the SDK makes the provider of models itself, and closes it."""


class AgentConfig(TypedDict, total=False):
    """What a job may say for itself: `engine.submit(payload, config={"session": "user-7"})`."""

    context: Any
    """The run's context object, in place of the executor's."""
    session: str
    """The id of the session; without one the job has a session of its own."""
    max_turns: int | None
    """In place of the executor's."""


def config_of(job: Job) -> AgentConfig:
    """The job's `config`.

    Raises:
        TypeError: if it is anything else.
    """
    config: object = job.config
    if config is None:
        return AgentConfig()
    if not isinstance(config, Mapping) or not _fits(cast("Mapping[str, object]", config)):
        raise TypeError(
            f"job {job.name!r}: config= is a mapping with 'context', 'session' (an id, as text) and "
            f"'max_turns' (at least 1, or None), each if wanted; not {config!r}"
        )
    return cast("AgentConfig", config)


def _fits(config: Mapping[str, object]) -> bool:
    session = config.get("session", "its own")
    named = isinstance(session, str) and session != ""
    return named and is_limit(config.get("max_turns")) and AgentConfig.__optional_keys__.issuperset(config)


def is_limit(turns: object) -> bool:
    """Whether it says how many turns there are: a number of at least 1, or None for no limit."""
    return turns is None or (isinstance(turns, int) and not isinstance(turns, bool) and turns >= 1)


def items_of(job: Job) -> str | list[TResponseInputItem]:
    """The job's payload as what the SDK takes.

    Raises:
        TypeError: if it is neither text nor a list of input items.
    """
    payload: object = job.payload
    if isinstance(payload, str):
        return payload
    items = list(cast("Iterable[object]", payload)) if isinstance(payload, list | tuple) else None
    if items and all(isinstance(item, Mapping) for item in items):
        return cast("list[TResponseInputItem]", items)
    found = type(job.payload).__name__ if items is None else f"{items!r:.100}"
    raise TypeError(
        f"job {job.name!r}: an agent's payload is a text, or a list of input items such as "
        f'{{"role": "user", "content": "..."}}; not {found}'
    )


def model_name(agent: Agent[Any], run_config: RunConfig | None) -> str | None:
    """What the model of an agent is called; None of one that has no name."""
    model = agent.model if run_config is None or run_config.model is None else run_config.model
    if model is None:
        return get_default_model()
    if isinstance(model, str):
        return model
    name: object = getattr(model, "model", None)
    return name if isinstance(name, str) else None


def model_names(agent: Agent[Any], run_config: RunConfig | None) -> tuple[str, ...]:
    """The models of an agent and of those that it may hand over to, each once, as far as they have names."""
    names = [model_name(each, run_config) for each in _reachable(agent)]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def takes_key(agent: Agent[Any], run_config: RunConfig | None) -> bool:
    """Whether a `prompt_cache_key` can be added: the model is OpenAI's, and nobody has chosen one."""
    model = agent.model if run_config is None or run_config.model is None else run_config.model
    if isinstance(model, str):
        if model.startswith(("litellm/", "any-llm/")):
            return False
    elif model is not None and not isinstance(model, OpenAIResponsesModel | OpenAIChatCompletionsModel):
        return False
    common = None if run_config is None else run_config.model_settings
    extras = [
        extra
        for settings in (common, *(each.model_settings for each in _reachable(agent)))
        if settings is not None
        for extra in (settings.extra_args, settings.extra_body)
    ]
    return not any(isinstance(extra, Mapping) and _KEY in extra for extra in extras)


def keyed(config: Config | None, key: str) -> Config:
    """A copy that also sends this `prompt_cache_key`."""
    common = _common(config)
    extra = {} if common is None or common.extra_args is None else common.extra_args
    return with_settings(config, extra_args={**extra, _KEY: key})


def counted(config: RunConfig | None, agent: Agent[Any]) -> Config | None:
    """A copy that asks for usage in streams, which the SDK does by itself of OpenAI's own server only."""
    common = _common(config)
    if common is not None and common.include_usage is not None:
        return config
    for each in _reachable(agent):
        model = each.model if config is None or config.model is None else config.model
        # A name may stand for any model. Of others, only those of Chat Completions have to be asked.
        asks = model is None or isinstance(model, str | OpenAIChatCompletionsModel)
        if asks and each.model_settings.include_usage is None:
            return with_settings(config, include_usage=True)
    return config


def with_settings(config: Config | None, **changes: Any) -> Config:
    """A copy with other model settings. `replace` would validate all of it again, for a millisecond."""
    common = _common(config)
    settings = ModelSettings() if common is None else copy.copy(common)
    for name, value in changes.items():
        setattr(settings, name, value)
    if not isinstance(config, RunConfig):
        return {"model_settings": settings}
    changed = copy.copy(config)
    changed.model_settings = settings
    return changed


def _common(config: Config | None) -> ModelSettings | None:
    """The model settings for all agents of a run."""
    if config is None:
        return None
    return config.model_settings if isinstance(config, RunConfig) else config["model_settings"]


def _reachable(agent: Agent[Any]) -> list[Agent[Any]]:
    """An agent, and those that it may hand over to."""
    found = [agent]
    for each in found:  # it grows meanwhile
        found.extend(
            other
            for other in each.handoffs
            if isinstance(other, Agent) and not any(other is one for one in found)
        )
    return found


def has_tools(agent: Agent[Any]) -> bool:
    """Whether there is anything that its model could call."""
    return bool(agent.tools or agent.handoffs or agent.mcp_servers)
