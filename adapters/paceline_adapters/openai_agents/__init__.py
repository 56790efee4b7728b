"""Run agents of the OpenAI Agents SDK as jobs, unchanged; ask people from within, and fan out.

    async with Engine(Agent(name="guide", instructions="...", tools=[...])) as engine:
        print(await (await engine.submit("Plan a week in Lisbon")))

`AgentExecutor(agent, ...)` where there is more to say: sessions, a wrap-up, time for answers.
"""

try:
    import agents as _agents
except ImportError as _error:
    raise ImportError(
        'the adapter of the OpenAI Agents SDK needs an extra: pip install "paceline[openai-agents]"'
    ) from _error

from ._executor import AgentExecutor as AgentExecutor, adapt as adapt
from ._group_tool import group_tool as group_tool
from ._sessions import SessionFactory as SessionFactory
from ._settings import AgentConfig as AgentConfig
from ._tools import ask_user as ask_user, report_status as report_status

del _agents

__all__ = [
    "AgentConfig",
    "AgentExecutor",
    "SessionFactory",
    "adapt",
    "ask_user",
    "group_tool",
    "report_status",
]

for _public in (AgentExecutor, AgentConfig):
    _public.__module__ = __name__
