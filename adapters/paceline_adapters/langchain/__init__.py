"""Run any LangChain Runnable as jobs, unchanged; and use an engine as a Runnable or a tool.

    async with Engine(prompt | model | parser) as engine:
        print(await (await engine.submit({"question": "..."})))

Where the engine retries, give the client `max_retries=0` (and leave out `with_retry`): otherwise attempts
multiply, and the waits between them hold a slot. Nothing here changes that for you.
"""

try:
    import langchain_core as _langchain_core
except ImportError as _error:
    raise ImportError('the LangChain adapter needs an extra: pip install "paceline[langchain]"') from _error

from paceline_adapters._langchain_core import EngineRateLimiter as EngineRateLimiter

from ._as_runnable import EngineRunnable as EngineRunnable, as_runnable as as_runnable, as_tool as as_tool
from ._executor import RunnableExecutor as RunnableExecutor, adapt as adapt

del _langchain_core

__all__ = ["EngineRateLimiter", "EngineRunnable", "RunnableExecutor", "adapt", "as_runnable", "as_tool"]

for _public in (EngineRateLimiter, EngineRunnable, RunnableExecutor):
    _public.__module__ = __name__
