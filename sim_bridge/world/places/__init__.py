"""Real places as worlds: OpenStreetMap, Copernicus EMS, CityJSON, meshes (docs/places.md)."""

from __future__ import annotations

from sim_bridge.world.places.assemble import build_place
from sim_bridge.world.places.sources import check_sources, with_sources

__all__ = ["build_place", "check_sources", "with_sources"]
