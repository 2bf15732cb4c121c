"""`mage serve`: the embedded simulator as a process of its own."""

from __future__ import annotations


def main(argv: list[str]) -> None:
    """Serves until it is stopped."""
    from sim_bridge.airsim.server import main as serve

    if code := serve(argv):
        raise SystemExit(code)
