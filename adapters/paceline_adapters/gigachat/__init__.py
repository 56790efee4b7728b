"""Run calls of GigaChat's own client as jobs, of both contracts of its API.

    async with Engine(GigaChatExecutor(GigaChatAsyncClient(model="GigaChat-2"))) as engine:
        print(await (await engine.submit("Why do riders draft behind each other?")))

How often a job is tried, the engine says (`retry=`): the client must not retry by itself, and does not unless
it is told to.
"""

try:
    import gigachat as _gigachat
except ImportError as _error:
    raise ImportError('the GigaChat adapter needs an extra: pip install "paceline[gigachat]"') from _error

from ._executor import GigaChatExecutor as GigaChatExecutor, adapt as adapt

del _gigachat

__all__ = [
    "GigaChatExecutor",
    "adapt",
]

for _public in (GigaChatExecutor,):
    _public.__module__ = __name__
