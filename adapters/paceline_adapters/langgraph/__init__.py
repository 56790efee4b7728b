"""Run LangGraph graphs as jobs, unchanged: what they ask is asked, and threads go on where they stopped.

    async with Engine(builder.compile(checkpointer=saver)) as engine:
        print(await (await engine.submit({"question": "..."})))

Where the engine retries, give the models inside `max_retries=0`, and nodes no retry policy: otherwise
attempts multiply, and the waits between them hold a slot. Nothing here changes that for you.
"""

try:
    import langgraph as _langgraph
except ImportError as _error:
    raise ImportError('the LangGraph adapter needs an extra: pip install "paceline[langgraph]"') from _error

from paceline_adapters._langchain_core import EngineRateLimiter as EngineRateLimiter

from ._executor import GraphExecutor as GraphExecutor, adapt as adapt
from ._fan_out import FanOut as FanOut, OnError as OnError, fan_out as fan_out
from ._parts import text_of as text_of
from ._tools import ask_user as ask_user, report_status as report_status

del _langgraph

__all__ = [
    "EngineRateLimiter",
    "FanOut",
    "GraphExecutor",
    "OnError",
    "adapt",
    "ask_user",
    "fan_out",
    "report_status",
    "text_of",
]

for _public in (FanOut, GraphExecutor):
    _public.__module__ = __name__
