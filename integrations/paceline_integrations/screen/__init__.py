"""One screen in the terminal for what a run does: live, or replayed from its log.

screen = Screen()
async with Engine(chain, sinks=[screen.sink]) as engine, screen.watching(engine):
    ...
"""

try:
    import textual as _textual
except ImportError as _error:
    raise ImportError('the screen needs an extra: pip install "paceline[tui]"') from _error

from ._app import Left as Left, ScreenApp as ScreenApp
from ._controls import Controls as Controls, EngineControls as EngineControls
from ._live import ScreenSink as ScreenSink
from ._replay import Replay as Replay, moment as moment
from ._screen import NoTerminal as NoTerminal, Screen as Screen, drawn as drawn, show as show
from ._sources import Follow as Follow, Source as Source

del _textual

__all__ = [
    "Controls",
    "EngineControls",
    "Follow",
    "Left",
    "NoTerminal",
    "Replay",
    "Screen",
    "ScreenApp",
    "ScreenSink",
    "Source",
    "drawn",
    "moment",
    "show",
]
