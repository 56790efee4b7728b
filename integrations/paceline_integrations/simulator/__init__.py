"""A server that stands for OpenAI's, and GigaChat's, without a key or a bill: cache, rates, limits, faults.

It knows nothing of Paceline and can be used alone: `with Simulator() as server:` and any client that takes a
base URL. Behaviour is a `SimulatorSettings`; faults of one request are asked for by its `x-simulate` header.
"""

try:
    import starlette as _starlette
    import uvicorn as _uvicorn
except ImportError as _error:
    raise ImportError('the simulator needs an extra: pip install "paceline[simulator]"') from _error

from ._app import create_app as create_app
from ._log import SimulatorRequest as SimulatorRequest
from ._server import Simulator as Simulator, serve as serve
from ._settings import SimulatorSettings as SimulatorSettings
from ._stats import SimulatorStats as SimulatorStats

del _starlette, _uvicorn

__all__ = ["Simulator", "SimulatorRequest", "SimulatorSettings", "SimulatorStats", "create_app", "serve"]

for _public in (Simulator, SimulatorRequest, SimulatorSettings, SimulatorStats):
    _public.__module__ = __name__
