"""Starts Phoenix within reach of this machine alone. Run by the interpreter of its environment.

PHOENIX_HOST is for its page; its gRPC listener takes every address there is. Traces come over HTTP here, so
that one gets a port on loopback which nobody is told of.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

__all__: list[str] = []


def main() -> None:
    """Serve until a signal."""
    server: Any = importlib.import_module("grpc.aio._server").Server
    add_port = server.add_insecure_port

    def on_loopback(self: Any, _: str) -> int:
        return int(add_port(self, "127.0.0.1:0"))

    server.add_insecure_port = on_loopback
    sys.argv[1:] = ["serve"]
    importlib.import_module("phoenix.server.main").main()


if __name__ == "__main__":
    main()
