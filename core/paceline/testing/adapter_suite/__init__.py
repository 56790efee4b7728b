"""The promises that every adapter keeps, as tests: run them on one of your own, with pytest.

    class TestMine(AdapterSuite):
        lacks = {"suspend": "it asks nobody"}

        @asynccontextmanager
        async def provide(self, scene: Scene) -> AsyncGenerator[Provided, None]:
            async with FakeProvider(scene) as provider:
                yield Provided(MyExecutor(provider), payload="to be")

Each test plays a `Scene`: what the provider does in it. The fake or server that you give plays it, by
`scene.play()` or `scene.request()`, and so the suite sees the provider's side.
"""

from ._scene import (
    Act as Act,
    Answer as Answer,
    Break as Break,
    ProviderBroke as ProviderBroke,
    ProviderRefused as ProviderRefused,
    Refuse as Refuse,
    Request as Request,
    Scene as Scene,
    Stall as Stall,
)
from ._stage import PromiseBroken as PromiseBroken, Provided as Provided
from ._suite import AdapterSuite as AdapterSuite

__all__ = [
    "Act",
    "AdapterSuite",
    "Answer",
    "Break",
    "PromiseBroken",
    "Provided",
    "ProviderBroke",
    "ProviderRefused",
    "Refuse",
    "Request",
    "Scene",
    "Stall",
]

for _name in __all__:  # tracebacks and reprs say where a name is to be imported from
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
