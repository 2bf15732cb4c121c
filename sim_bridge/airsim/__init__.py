"""AirSim's protocol, both ends. `connect` to any AirSim, or `adopt` a client object that you already have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim_bridge.airsim.adopted import adopt
    from sim_bridge.airsim.checks import Image
    from sim_bridge.airsim.client import Client, connect
    from sim_bridge.airsim.measure import Measured
    from sim_bridge.airsim.messages import ImageRequest, ImageType

__all__ = ["Client", "Image", "ImageRequest", "ImageType", "Measured", "adopt", "connect"]
_PLACES = {"Client": "client", "Image": "checks", "ImageRequest": "messages", "ImageType": "messages",
           "Measured": "measure", "adopt": "adopted", "connect": "client"}


def __getattr__(name: str) -> Any:
    # when first used: the server and its messages need none of the client
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
