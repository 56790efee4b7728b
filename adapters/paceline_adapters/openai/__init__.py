"""Run calls of OpenAI's own client as jobs: the Responses API, Chat Completions, and servers that speak them.

    async with Engine(ResponsesExecutor(AsyncOpenAI(), model="gpt-5.6")) as engine:
        print(await (await engine.submit("Why do riders draft behind each other?")))

The client's own retries are left out of it: how often a job is tried, the engine says (`retry=`).
"""

try:
    import openai as _openai
except ImportError as _error:
    raise ImportError('the OpenAI adapter needs an extra: pip install "paceline[openai]"') from _error

from ._chat import ChatExecutor as ChatExecutor
from ._clients import adapt as adapt
from ._options import ChatOptions as ChatOptions, ResponseOptions as ResponseOptions
from ._responses import ResponsesExecutor as ResponsesExecutor

del _openai

__all__ = [
    "ChatExecutor",
    "ChatOptions",
    "ResponseOptions",
    "ResponsesExecutor",
    "adapt",
]

for _public in (
    ChatExecutor,
    ResponsesExecutor,
):
    _public.__module__ = __name__
