"""Paths that come over the wire stay inside the folder that they are meant for."""

from __future__ import annotations

from pathlib import Path


def confined(root: Path, name: str) -> Path:
    """The file of a name below a folder, links followed. Raises ValueError if it leads out of it or is no path."""
    if not name or len(name) > 1024 or "\0" in name:
        raise ValueError(f"a path of {len(name)} characters: expected 1 to 1024, and no zero among them")
    folder = root.resolve()
    try:
        path = (folder / name).resolve()
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{name[:80]!r} is not a path: {error}") from error
    if not path.is_relative_to(folder):
        raise ValueError(f"{name[:80]!r} leads out of the folder that files are in: expected a path inside it")
    return path
