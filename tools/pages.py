"""Self-contained pages of pictures and tables, from one template: they open offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sim_bridge.classes import Entry
from tools.pictures import UintArray, jpeg_uri

TEMPLATES = Path(__file__).parent / "templates"
Legend = tuple[str, Sequence[Entry]]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: words, a picture as a data URI (or nothing), a colour (or nothing)."""

    text: str = ""
    uri: str = ""
    rgb: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Part:
    """A section: a picture, a table (its head and its rows), or words alone."""

    title: str
    text: str = ""
    uri: str = ""
    legends: Sequence[Legend] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()


def jpeg_part(title: str, text: str, rgb: UintArray, legends: Sequence[Legend] = ()) -> Part:
    """A section with one picture at its full width."""
    return Part(title, text, jpeg_uri(rgb, rgb.shape[1]), legends)


def write_page(path: Path, title: str, intro: str, parts: Sequence[Part]) -> Path:
    """Writes the page in one step and returns its path."""
    page = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True).get_template("pages.html")
    part = path.with_name(path.name + ".part")
    part.write_text(page.render(title=title, intro=intro, parts=parts), encoding="utf-8")
    part.replace(path)
    return path
