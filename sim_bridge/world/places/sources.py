"""What a place was built from, by content: SHA-256 of every file that a spec names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from sim_bridge.errors import InputError
from sim_bridge.spec import SceneSpec


def with_sources(spec: SceneSpec) -> SceneSpec:
    """The spec with the SHA-256 of place.file, place.materials and each rule package, in that order.

    Raises InputError if one of them cannot be read, or if a real place names no file.
    """
    return replace(spec, sources=_digests(spec))


def check_sources(spec: SceneSpec) -> None:
    """Raises InputError if the files of a spec are not those that its `sources` stand for."""
    if spec.sources == (found := _digests(spec)):
        return
    if not spec.sources:
        raise InputError("scene.sources is empty: expected the SHA-256 of each file that the scene names, fill it in "
                         "with sim_bridge.world.places.with_sources")
    wrong = next((name for name, old, new in zip(_files(spec), spec.sources, found, strict=False) if old != new),
                 "scene.sources")
    raise InputError(f"{wrong}: not the file that scene.sources was made from: get that one again, or fill sources in "
                     "anew with sim_bridge.world.places.with_sources")


def _files(spec: SceneSpec) -> tuple[str, ...]:
    if spec.place.kind != "procedural" and not spec.place.file:
        raise InputError(f"place.file is empty: expected the file of the {spec.place.kind} place")
    place = (spec.place.file, spec.place.materials) if spec.place.kind != "procedural" else ()
    return (*(name for name in place if name), *(rule.file for rule in spec.rules))


def _digests(spec: SceneSpec) -> tuple[str, ...]:
    return tuple(_sha256(Path(name)) for name in _files(spec))


def _sha256(path: Path) -> str:
    """Of a file, or of a folder's files: their names and digests, in the order of the names."""
    try:
        if path.is_dir():
            lines = [f"{_sha256(file)}  {file.relative_to(path).as_posix()}\n"
                     for file in sorted(path.rglob("*")) if file.is_file()]
            return hashlib.sha256("".join(lines).encode()).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): expected a source of the scene") from error
