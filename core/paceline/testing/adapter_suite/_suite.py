"""The suite: all promises together, for one adapter."""

from __future__ import annotations

from ._answering import Answering
from ._cancelling import Cancelling
from ._failing import Failing
from ._suspending import Suspending

__all__ = ["AdapterSuite"]


class AdapterSuite(Answering, Failing, Cancelling, Suspending):
    """What every adapter promises; subclass it as `Test...` in a module of tests, and say how to make yours.

        class TestMine(AdapterSuite):
            lacks = {"suspend": "it asks nobody"}

            @asynccontextmanager
            async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
                yield Provided(MyExecutor(FakeClient(scene)), payload="to be")

    `lacks`: what the adapter does not do, and why; those tests are skipped, with that reason. All else is
    tested: "streaming", "usage", "cached" (tokens in the usage), "errors" (`classify`), "context" (variables
    seen inside), "objects" (payloads that JSON cannot hold), "suspend". `patience`: seconds for which a test
    waits for what should come. `cancelled_streams`: how many streams are cancelled to see whether they leak.

    `provide` is entered once for each test, in its event loop. Clients should not retry by themselves: the
    suite counts requests. A broken promise is told by `PromiseBroken`, which says what to do. Needs no plugin
    of pytest's, and no pytest to be imported.
    """
