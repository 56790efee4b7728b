"""What the adapters of LangChain and LangGraph share: a run's config, what watches it, what errors mean.

No adapter: it runs nothing, and people do not import it.
"""

from ._config import refuse_run_id as refuse_run_id, run_config as run_config
from ._failures import classify as classify
from ._limiter import EngineRateLimiter as EngineRateLimiter
from ._streams import close_streams as close_streams
from ._waiting import cancelling as cancelling, output_from_thread as output_from_thread
from ._watch import StreamWatch as StreamWatch, Watch as Watch, usage_of as usage_of

__all__ = [
    "EngineRateLimiter",
    "StreamWatch",
    "Watch",
    "cancelling",
    "classify",
    "close_streams",
    "output_from_thread",
    "refuse_run_id",
    "run_config",
    "usage_of",
]
