"""What the adapters of LangChain and LangGraph share: a run's config, what watches it, what errors mean.

No adapter: it runs nothing, and people do not import it.
"""

from ._config import run_config as run_config
from ._failures import classify as classify
from ._limiter import EngineRateLimiter as EngineRateLimiter
from ._streams import close_streams as close_streams
from ._watch import StreamWatch as StreamWatch, Watch as Watch, usage_of as usage_of

__all__ = ["EngineRateLimiter", "StreamWatch", "Watch", "classify", "close_streams", "run_config", "usage_of"]
