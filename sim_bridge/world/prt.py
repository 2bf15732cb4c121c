"""Esri's Procedural Runtime in a process of its own: `python prt.py FOLDER`, with FOLDER/job.json.

It is closed code that writes to the terminal, and that may crash on what it is given: apart, it can do neither harm.
The job names a rule package, its attributes and initial shapes; what grows is written to FOLDER as m_<shape>.obj with
m_<shape>.mtl, textures and CGA's logs, or one line why not as error.txt. This file imports nothing of MAGE.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ENCODER = "com.esri.prt.codecs.OBJEncoder"
OPTIONS = {"baseName": "m", "triangulateMeshes": True, "fileGranularity": "START_SHAPE", "errorFallback": False}
"""One file a shape; a shape that fails leaves none."""
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "float": ((float, int), "a number"), "string": ((str,), "a text"), "bool": ((bool,), "true or false"),
}
Info = Mapping[str, Mapping[str, Any]]


def attribute_problem(info: Info, given: Mapping[str, Any]) -> str:
    """What is wrong with the attributes given to a package, in one line; empty if nothing is.

    `info` is what `pyprt.get_rpk_attributes_info` says: type and annotations of every attribute.
    """
    for name, value in given.items():
        if name not in info:
            return f"attribute {name!r} is not known: expected one of {', '.join(sorted(info))}"
        kind = info[name]["type"]
        types, words = _TYPES.get(kind, ((object,), kind))
        if not isinstance(value, types) or (kind != "bool" and isinstance(value, bool)):
            return f"attribute {name} is {value!r}: expected {words}"
        if problem := _out_of_range(name, value, info[name].get("annotations", ())):
            return problem
    return ""


def _out_of_range(name: str, value: Any, annotations: Sequence[Sequence[Any]]) -> str:
    for kind, *arguments in annotations:
        plain = [v for key, v in arguments if key in ("#NULL#", "min", "max")]
        if ["restricted", False] in [list(a) for a in arguments] or len(plain) < 2:
            continue
        numbers = all(isinstance(v, int | float) for v in plain)
        if kind == "@Range" and numbers and len(plain) == 2 and not plain[0] <= value <= plain[1]:
            return f"attribute {name} is {value}: expected {plain[0]:g} to {plain[1]:g}"
        if (kind == "@Enum" or (kind == "@Range" and not numbers)) and value not in plain:
            return f"attribute {name} is {value!r}: expected one of {', '.join(map(str, plain))}"
    return ""


def run(folder: Path) -> None:
    """Checks the job's attributes, then grows its shapes."""
    import pyprt

    job = json.loads((folder / "job.json").read_text())
    info = pyprt.get_rpk_attributes_info(job["file"])
    none = "no rule package: expected an .rpk file that CityEngine exported"
    if problem := attribute_problem(info, job["attributes"]) if info else none:
        (folder / "error.txt").write_text(problem)
        return
    shapes = [pyprt.InitialShape(s["vertices"], s["indices"], s["counts"], s["holes"]) for s in job["shapes"]]
    given = [{**job["attributes"], "seed": s["seed"], "shapeName": s["name"]} for s in job["shapes"]]
    pyprt.ModelGenerator(shapes).generate_model(given, job["file"], ENCODER, {**OPTIONS, "outputPath": str(folder)})


if __name__ == "__main__":
    run(Path(sys.argv[1]))
