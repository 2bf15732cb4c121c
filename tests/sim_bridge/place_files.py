"""Small sources of places, written by tests: a street with houses as a map, a package, a city model and meshes."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import shapely

LAT, LON = 42.7, 13.2
EPSG = 32633


def lonlat(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of a point x, y metres from the middle."""
    return LON + x / (111_320 * np.cos(np.radians(LAT))), LAT + y / 111_060


def rectangle(x: float, y: float, w: float = 10, d: float = 8) -> list[tuple[float, float]]:
    return [(x, y), (x + w, y), (x + w, y + d), (x, y + d)]


class OsmFile:
    """OpenStreetMap XML, way by way."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.rest: list[str] = []

    def _node(self, x: float, y: float, **tags: str) -> int:
        lon, lat = lonlat(x, y)
        number = len(self.nodes) + 1
        self.nodes.append(f'<node id="{number}" version="1" lat="{lat:.8f}" lon="{lon:.8f}">{_tags(tags)}</node>')
        return number

    def tree(self, x: float, y: float, **tags: str) -> None:
        self._node(x, y, natural="tree", **tags)

    def way(self, points: Sequence[tuple[float, float]], closed: bool = True, **tags: str) -> int:
        refs = [self._node(x, y) for x, y in points]
        number = 1000 + len(self.rest)
        nodes = "".join(f'<nd ref="{ref}"/>' for ref in (*refs, *refs[:closed]))
        self.rest.append(f'<way id="{number}" version="1">{nodes}{_tags(tags)}</way>')
        return number

    def relation(self, outer: int, inner: int, **tags: str) -> None:
        members = f'<member type="way" ref="{outer}" role="outer"/><member type="way" ref="{inner}" role="inner"/>'
        self.rest.append(f'<relation id="{5000 + len(self.rest)}" version="1">{members}'
                         f'{_tags({"type": "multipolygon", **tags})}</relation>')

    def write(self, path: Path) -> Path:
        order = sorted(self.rest, key=lambda text: text.startswith("<relation"))
        path.write_text(f'<?xml version="1.0"?><osm version="0.6">{"".join(self.nodes)}{"".join(order)}</osm>')
        return path


def _tags(tags: dict[str, str]) -> str:
    return "".join(f'<tag k="{key.replace("__", ":")}" v="{value}"/>' for key, value in tags.items())


def osm_village(path: Path) -> Path:
    """Houses on both sides of a street, a block with a courtyard, a pond, a wood, a crossing footprint."""
    osm = OsmFile()
    for k in range(4):
        osm.way(rectangle(-50 + 25 * k, 8), building="house", building__levels="2", roof__shape="gabled")
        osm.way(rectangle(-50 + 25 * k, -18), building="yes")
    osm.way(rectangle(-55, 30, 12, 10), building="church", height="20", roof__shape="flat")
    outer, inner = osm.way(rectangle(10, 28, 30, 26)), osm.way(rectangle(18, 36, 12, 10))
    osm.relation(outer, inner, building="apartments", building__levels="4")
    osm.way([(40, -40), (50, -30), (50, -40), (40, -30)], building="yes")
    osm.way([(-60, 0), (0, 1), (60, 0)], closed=False, highway="residential")
    osm.way([(-60, -28), (60, -28)], closed=False, highway="footway")
    osm.way(rectangle(-58, -58, 30, 22), natural="water")
    osm.way(rectangle(-20, -58, 40, 24), landuse="forest")
    osm.tree(0, 6, height="9", leaf_type="broadleaved")
    return osm.write(path)


def ems_package(folder: Path, grades: Sequence[str] = ("Not Affected", "Moderately Damaged", "Highly Damaged",
                                                       "Completely Destroyed", "Unknown"),
                layer: str = "settlements_poly_grading", field: str = "grading", crs: int | None = EPSG) -> Path:
    """A folder of shapefiles as a package has them: one building a grade, a street, a field, contours."""
    east, north = pyproj.Transformer.from_crs(4326, EPSG, always_xy=True).transform(LON, LAT)
    folder.mkdir(parents=True, exist_ok=True)
    houses = [shapely.Polygon([(east + px, north + py) for px, py in rectangle(-50 + 22 * k, 8, 12, 9)])
              for k in range(len(grades))]
    layers = {
        layer: geopandas.GeoDataFrame({field: list(grades), "settl_type": "Residential"}, geometry=houses, crs=crs),
        "transportation_line": geopandas.GeoDataFrame(
            {"road_type": ["Local Road"]}, geometry=[shapely.LineString([(east - 60, north), (east + 60, north)])],
            crs=crs),
        "land_cover_poly": geopandas.GeoDataFrame(
            {"subtype": ["EA010 - Cropland"]}, geometry=[shapely.box(east - 60, north - 55, east + 60, north - 10)],
            crs=crs),
        "physiography_line": geopandas.GeoDataFrame(
            {"z_value": [700, 720]}, geometry=[shapely.LineString([(east - 90, north + y), (east + 90, north + y)])
                                               for y in (-80, 80)], crs=crs),
    }
    for name, frame in layers.items():
        frame.to_file(folder / f"EMSR000_01TOWN_{name}.shp")
    return folder


def city_json(path: Path, version: str = "2.0", reference: str = f"https://www.opengis.net/def/crs/EPSG/0/{EPSG}",
              houses: int = 3) -> Path:
    """Gabled houses with semantic surfaces, bases 10 m, 11 m, ... above the datum."""
    east, north = pyproj.Transformer.from_crs(4326, EPSG, always_xy=True).transform(LON, LAT)
    vertices: list[list[int]] = []
    objects = {}
    for k in range(houses):
        first, (x, y, z) = len(vertices), (18.0 * k - 20, 0.0, 10.0 + k)
        corners = [(0, 0, 0), (10, 0, 0), (10, 8, 0), (0, 8, 0), (0, 0, 5), (10, 0, 5), (10, 8, 5), (0, 8, 5),
                   (0, 4, 8), (10, 4, 8)]
        vertices += [[round(1000 * (x + a)), round(1000 * (y + b)), round(1000 * (z + c))] for a, b, c in corners]
        faces = [([3, 2, 1, 0], 0), ([4, 5, 9, 8], 1), ([6, 7, 8, 9], 1), ([0, 1, 5, 4], 2), ([2, 3, 7, 6], 2),
                 ([1, 2, 6, 9, 5], 2), ([3, 0, 4, 8, 7], 2)]
        objects[f"house-{k}"] = {
            "type": "Building", "attributes": {"function": "residential", "storeysAboveGround": 2},
            "geometry": [{"type": "Solid", "lod": "2.2", "boundaries": [[[[first + n for n in f]] for f, _ in faces]],
                          "semantics": {"surfaces": [{"type": "GroundSurface"}, {"type": "RoofSurface"},
                                                     {"type": "WallSurface"}], "values": [[s for _, s in faces]]}}]}
    metadata = {"referenceSystem": reference} if reference else {}
    path.write_text(json.dumps({
        "type": "CityJSON", "version": version, "metadata": metadata, "CityObjects": objects, "vertices": vertices,
        "transform": {"scale": [0.001] * 3, "translate": [east, north, 0.0]}}))
    return path


MESH_TABLE = """
buildings = ["House*"]
[materials]
"Wall*" = "wall_brick"
"Roof*" = "roof_tile_red"
"Grass" = "grass"
"Asphalt" = "road"
"""


def obj_mesh(path: Path, materials: bool = True) -> Path:
    """Two houses on a sloping lawn with a street, y up."""
    lines, count = [], 0

    def face(points: Sequence[tuple[float, float, float]]) -> None:
        nonlocal count
        lines.extend(f"v {x} {z} {-y}" for x, y, z in points)
        lines.append("f " + " ".join(str(count + k + 1) for k in range(len(points))))
        count += len(points)

    def use(name: str) -> None:
        if materials:
            lines.append(f"usemtl {name}")

    lines.append("o Ground")
    use("Grass")
    face([(-60, -60, 0), (60, -60, 0), (60, 60, 6), (-60, 60, 6)])
    use("Asphalt")
    face([(-60, -4, 2.85), (60, -4, 2.85), (60, 4, 3.25), (-60, 4, 3.25)])
    for k, x in enumerate((-20.0, 15.0)):
        lines.append(f"o House_{k}")
        use("Wall_a")
        ring = rectangle(x, 12)
        for (ax, ay), (bx, by) in zip(ring, [*ring[1:], ring[0]], strict=True):
            face([(ax, ay, 3), (bx, by, 3), (bx, by, 9), (ax, ay, 9)])
        use("Roof_a")
        face([(px, py, 9) for px, py in ring])
    path.write_text("\n".join(lines) + "\n")
    return path


def gltf_mesh(path: Path) -> Path:
    """Two nodes that share a mesh of two primitives, a wall and a roof; y up."""
    points = np.array([[0, 0, 0], [10, 0, 0], [10, 6, 0], [0, 6, 0], [0, 6, -8], [10, 6, -8]], "<f4")
    wall, roof = np.array([0, 1, 2, 0, 2, 3], "<u2"), np.array([3, 2, 5, 3, 5, 4], "<u2")
    data = points.tobytes() + wall.tobytes() + roof.tobytes()
    views = [{"buffer": 0, "byteOffset": o, "byteLength": n} for o, n in ((0, 72), (72, 12), (84, 12))]
    accessor = {"componentType": 5123, "count": 6, "type": "SCALAR"}
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0, 1]}],
        "nodes": [{"name": "House A", "mesh": 0}, {"name": "House B", "mesh": 0, "translation": [30, 0, 0]}],
        "materials": [{"name": "Wall"}, {"name": "Roof"}],
        "meshes": [{"name": "M", "primitives": [{"attributes": {"POSITION": 0}, "indices": k + 1, "material": k}
                                                for k in range(2)]}],
        "buffers": [{"byteLength": len(data),
                     "uri": "data:application/octet-stream;base64," + base64.b64encode(data).decode()}],
        "bufferViews": views,
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 6, "type": "VEC3", "min": [0, 0, -8],
                       "max": [10, 6, 0]}, {"bufferView": 1, **accessor}, {"bufferView": 2, **accessor}]}
    path.write_text(json.dumps(document))
    return path
