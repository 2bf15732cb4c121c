"""What OpenStreetMap tags become: uses, heights, roofs, widths, covers. Tables first, then what reads them.

Values and their meaning are those of the OpenStreetMap wiki (Key:building, Key:roof:shape, Key:highway, Key:surface,
Key:landuse, Key:natural, Key:leisure). Widths of streets without `width` or `lanes` are usual ones of Europe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import shapely

from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.places.survey import Area, Footprint, Spot, Way

Tags = Mapping[str, str]

STOREY_M = 3.0
WATER_BODY_M = 6.0
"""Channels narrower than this are painted on the ground; wider ones have a surface of their own."""

_USES = {
    "house": "house detached semidetached_house terrace bungalow villa farm cabin hut static_caravan residential_house",
    "garage": "garage garages shed carport hut_shed roof kiosk service toilets bicycle_parking",
    "apartments": "apartments residential dormitory hotel block",
    "industrial": "industrial warehouse hangar manufacture depot factory transformer_tower utility",
    "barn": "barn farm_auxiliary stable cowshed sty silo",
    "greenhouse": "greenhouse glasshouse",
    "church": "church cathedral chapel mosque synagogue temple shrine monastery",
    "tank": "storage_tank water_tower gasometer",
    "commercial": "commercial retail office supermarket public school university hospital civic government museum "
                  "train_station college kindergarten stadium sports_hall sports_centre parking pavilion tower bank",
}
_USE_OF = {value: use for use, values in _USES.items() for value in values.split()}
_NOT_BUILT = {"no", "entrance", "underpass_entrance", "proposed", "demolished", "razed", "ruins", "ship", "roof_edge"}
_ROOFS = {"flat": "flat", "gabled": "gable", "hipped": "hip", "half-hipped": "hip", "pyramidal": "hip",
          "gambrel": "mansard", "mansard": "mansard", "skillion": "shed", "lean_to": "shed", "saltbox": "gable",
          "dome": "dome", "onion": "dome", "round": "gable", "cross_gabled": "gable", "double_saltbox": "gable"}
_ROOF_MATERIALS = {"roof_tiles": "roof_tile_red", "tile": "roof_tile_red", "metal": "roof_metal",
                   "copper": "roof_metal",
                   "tin": "roof_metal", "zinc": "roof_metal", "slate": "roof_slate", "tar_paper": "roof_bitumen",
                   "concrete": "roof_concrete", "glass": "roof_glass", "gravel": "roof_gravel", "thatch": "roof_thatch",
                   "asphalt_shingle": "roof_shingle_grey", "asphalt": "roof_bitumen", "eternit": "roof_corrugated"}
_WALLS = {"brick": "wall_brick", "wood": "wall_wood", "plaster": "wall_plaster", "stone": "wall_stone",
          "concrete": "wall_concrete", "metal": "wall_metal", "steel": "wall_metal", "cement_block": "wall_concrete",
          "sandstone": "wall_stone", "timber_framing": "wall_wood"}
_TYPOLOGY = {"wall_brick": "masonry", "wall_stone": "masonry", "wall_wood": "wood_light",
             "wall_concrete": "concrete_frame", "wall_metal": "steel_light"}
_COLOURS = {"black": (20, 20, 20), "grey": (128, 128, 128), "gray": (128, 128, 128), "white": (235, 235, 235),
            "red": (170, 60, 45), "brown": (115, 75, 50), "green": (90, 125, 105), "darkgrey": (70, 70, 70),
            "silver": (190, 190, 190), "maroon": (120, 40, 35), "orange": (205, 110, 60), "darkgray": (70, 70, 70),
            "lightgrey": (200, 200, 200), "beige": (215, 200, 170), "yellow": (220, 200, 120)}
_ROOF_TONES = ("roof_shingle_grey", "roof_shingle_brown", "roof_shingle_light", "roof_tile_red", "roof_metal",
               "roof_gravel", "roof_membrane", "roof_bitumen", "roof_tile_orange", "roof_tile_brown", "roof_slate")

_HIGHWAY = {  # kind, width (m), material
    "motorway": ("primary", 11.0, ""), "trunk": ("primary", 11.0, ""), "primary": ("primary", 11.0, ""),
    "secondary": ("primary", 9.5, ""), "tertiary": ("residential", 8.0, ""), "residential": ("residential", 7.0, ""),
    "unclassified": ("residential", 6.5, ""), "living_street": ("residential", 6.0, ""),
    "road": ("residential", 6.5, ""),
    "service": ("residential", 4.0, ""), "pedestrian": ("path", 6.0, "flagstone"), "track": ("track", 3.0, "dirt_road"),
    "footway": ("path", 2.2, "sidewalk"), "cycleway": ("path", 2.8, "asphalt_worn"), "path": ("path", 1.5, "gravel"),
    "steps": ("path", 2.5, "concrete"), "bridleway": ("path", 2.0, "soil"), "motorway_link": ("primary", 6.0, ""),
    "trunk_link": ("primary", 6.0, ""), "primary_link": ("primary", 6.0, ""), "secondary_link": ("primary", 6.0, ""),
    "tertiary_link": ("residential", 5.5, ""),
}
_LANE_M = 3.25
_SURFACE = {"asphalt": "asphalt", "concrete": "concrete", "paving_stones": "flagstone", "sett": "cobble",
            "cobblestone": "cobble", "unhewn_cobblestone": "cobble", "unpaved": "dirt_road", "gravel": "gravel",
            "fine_gravel": "gravel", "compacted": "dirt_road", "ground": "dirt_road", "dirt": "dirt_road",
            "earth": "dirt_road", "grass": "meadow", "sand": "sand", "wood": "pontoon", "pebblestone": "gravel"}
_ROAD_SURFACE = {"concrete": "asphalt_worn", "flagstone": "cobble", "gravel": "dirt_road", "sand": "dirt_road",
                 "meadow": "dirt_road", "pontoon": "asphalt_worn"}
"""What a surface becomes on a carriageway, which is a road whatever it is made of."""
_CHANNEL_M = {"river": 14.0, "canal": 9.0, "stream": 2.0, "ditch": 1.2, "drain": 1.2}

_COVERS = {  # key=value: cover (ground.COVERS), land use
    "landuse=residential": ("", "residential"), "landuse=commercial": ("", "commercial"),
    "landuse=retail": ("", "commercial"), "landuse=industrial": ("yard", "industrial"),
    "landuse=railway": ("ballast", "industrial"), "landuse=construction": ("bare", "industrial"),
    "landuse=brownfield": ("bare", "vacant"), "landuse=greenfield": ("meadow", "vacant"),
    "landuse=quarry": ("bare", "industrial"), "landuse=civil": ("", "public"), "landuse=education": ("", "public"),
    "landuse=religious": ("", "public"), "landuse=institutional": ("", "public"), "landuse=military": ("", "public"),
    "landuse=grass": ("lawn", "park"), "landuse=meadow": ("meadow", "agriculture"),
    "landuse=farmland": ("crops", "agriculture"), "landuse=farmyard": ("yard", "agriculture"),
    "landuse=orchard": ("orchard", "agriculture"), "landuse=vineyard": ("vineyard", "agriculture"),
    "landuse=allotments": ("allotment", "agriculture"), "landuse=greenhouse_horticulture": ("yard", "agriculture"),
    "landuse=forest": ("wood", "forest"), "landuse=cemetery": ("park", "public"),
    "landuse=recreation_ground": ("lawn", "park"), "landuse=village_green": ("lawn", "park"),
    "landuse=flowerbed": ("bed", "park"), "landuse=garages": ("paved", "residential"),
    "natural=wood": ("wood", "forest"), "natural=scrub": ("scrub", "vacant"), "natural=grassland": ("meadow", "vacant"),
    "natural=heath": ("scrub", "vacant"), "natural=sand": ("sand", "vacant"), "natural=beach": ("sand", "vacant"),
    "natural=bare_rock": ("rock", "vacant"), "natural=scree": ("rock", "vacant"), "natural=shingle": ("rock", "vacant"),
    "natural=wetland": ("meadow", "vacant"), "natural=fell": ("meadow", "vacant"),
    "leisure=park": ("park", "park"), "leisure=garden": ("park", "park"), "leisure=pitch": ("pitch", "park"),
    "leisure=playground": ("sand", "park"), "leisure=track": ("pitch", "park"), "leisure=golf_course": ("lawn", "park"),
    "leisure=dog_park": ("bare", "park"), "leisure=swimming_pool": ("pool", "park"),
    "leisure=schoolyard": ("paved", "public"),
    "leisure=nature_reserve": ("", "forest"), "leisure=common": ("lawn", "park"), "leisure=marina": ("", "commercial"),
    "amenity=parking": ("parking", "commercial"), "amenity=school": ("", "public"),
    "amenity=university": ("", "public"),
    "amenity=hospital": ("", "public"), "amenity=grave_yard": ("park", "public"), "amenity=fountain": ("pool", ""),
    "amenity=marketplace": ("paved", "public"), "amenity=fuel": ("yard", "commercial"),
    "place=square": ("paved", "public"), "man_made=pier": ("pier", ""), "man_made=bridge": ("", "street"),
    "railway=platform": ("paved", "public"), "aeroway=apron": ("yard", "industrial"),
}
_WATER = {("natural", "water"), ("waterway", "riverbank"), ("landuse", "reservoir"), ("landuse", "basin"),
          ("waterway", "dock"), ("natural", "bay")}


def is_building(tags: Tags) -> bool:
    """True for what stands above the ground with a footprint of its own."""
    value = tags.get("building", "no")
    return value not in _NOT_BUILT and tags.get("location") != "underground" and _number(tags.get("layer")) >= 0


def is_water(tags: Tags) -> bool:
    return any(tags.get(key) == value for key, value in _WATER) and tags.get("covered") != "yes"


def is_area(tags: Tags) -> bool:
    """True for areas that the reader keeps."""
    plaza = tags.get("highway") in ("pedestrian", "footway", "service") and tags.get("area") == "yes"
    return is_building(tags) or "building:part" in tags or is_water(tags) or plaza or _cover_of(tags) is not None


def is_line(tags: Tags) -> bool:
    return any(key in tags for key in ("highway", "railway", "waterway")) or \
        tags.get("natural") in ("coastline", "tree_row")


def footprint(key: str, tags: Tags, polygon: shapely.Polygon) -> Footprint:
    """A building or part of one, with what its tags say of it."""
    levels, roof_levels = metres(tags.get("building:levels")), metres(tags.get("roof:levels"))
    roof_height = metres(tags.get("roof:height"))
    if roof_height is None and roof_levels:
        roof_height = 2.6 * roof_levels
    height = metres(tags.get("height")) or metres(tags.get("building:height"))
    wall = _WALLS.get(tags.get("building:material", tags.get("building:facade:material", "")), "")
    material = _ROOF_MATERIALS.get(tags.get("roof:material", ""), "") or _tone(tags.get("roof:colour", ""))
    roof = _ROOFS.get(tags.get("roof:shape", ""), "")
    value = tags.get("building", tags.get("building:part", ""))
    use = "commercial" if value == "yes" and ({"shop", "office", "tourism"} & tags.keys()) else _USE_OF.get(value, "")
    return Footprint(
        key, polygon, use, _TYPOLOGY.get(wall, ""),
        height if height and 1.5 <= height <= 400 else None, levels if levels and 1 <= levels <= 120 else None,
        "dome" if value == "dome" else roof, roof_height, material, wall)


def area(tags: Tags, polygon: shapely.Polygon) -> Area | None:
    """Cover and land use of an area; None if its tags say nothing of the ground."""
    if tags.get("highway") and tags.get("area") == "yes":
        return Area(polygon, "paved", "street")
    if is_building(tags) or "building:part" in tags or is_water(tags):
        return None
    cover = _cover_of(tags)
    return None if cover is None else Area(polygon, *cover)


def ways(tags: Tags, line: shapely.LineString) -> Iterator[Way]:
    """The street, railway or narrow channel that a line is; nothing for what runs below ground or indoors."""
    below = tags.get("tunnel", "no") not in ("no", "") or _number(tags.get("layer")) < 0
    if below or tags.get("indoor") == "yes" or tags.get("area") == "yes" or tags.get("covered") == "yes":
        return
    bridge = tags.get("bridge", "no") != "no"
    if tags.get("highway") in _HIGHWAY:
        kind, usual, material = _HIGHWAY[tags["highway"]]
        lanes, width = metres(tags.get("lanes")), metres(tags.get("width"))
        if width is None and lanes and kind != "path":
            width = max(lanes * _LANE_M, 3.5)
        surface = _SURFACE.get(tags.get("surface", ""), material)
        surface = _ROAD_SURFACE.get(surface, surface) if kind != "path" else surface
        yield Way(line, float(np.clip(width or usual, 1.0, 40.0)), kind, surface, bridge)
    elif tags.get("railway") in ("rail", "light_rail", "narrow_gauge", "subway"):
        yield Way(line, 3.2, "rail", "ballast", bridge)
    elif 0 < channel_width_m(tags) < WATER_BODY_M:
        yield Way(line, channel_width_m(tags), "channel", "water")


def channel_width_m(tags: Tags) -> float:
    """Width of a river, canal, stream or ditch; 0 for what is none."""
    usual = _CHANNEL_M.get(tags.get("waterway", ""), 0.0)
    if tags.get("tunnel", "no") != "no":
        return 0.0
    return (metres(tags.get("width")) or usual) if usual else 0.0


def spot(tags: Tags, x: float, y: float) -> Spot:
    """A tree with what its tags say of it."""
    crown = metres(tags.get("diameter_crown"))
    leaves, genus = tags.get("leaf_type", ""), (tags.get("genus", "") or tags.get("species", "")).split(" ")[0].lower()
    species = {"tilia": "linden", "acer": "maple", "betula": "birch", "quercus": "oak", "populus": "poplar",
               "salix": "willow", "pinus": "pine", "picea": "spruce", "olea": "olive",
               "cupressus": "cypress"}.get(genus)
    form = {"needleleaved": "conifer", "broadleaved": "broadleaf", "palm": "palm"}.get(leaves, "")
    return Spot(x, y, metres(tags.get("height")), crown / 2 if crown else None, species or form)


def metres(text: str | None) -> float | None:
    """Number at the start of a tag's value, feet converted; None if there is none."""
    found = re.match(r"\s*(\d+(?:[.,]\d+)?)\s*(ft|feet|')?", text or "")
    if not found:
        return None
    return float(found[1].replace(",", ".")) * (0.3048 if found[2] else 1.0)


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def _cover_of(tags: Tags) -> tuple[str, str] | None:
    for key in ("leisure", "natural", "amenity", "landuse", "place", "man_made", "railway", "aeroway", "waterway"):
        found = _COVERS.get(f"{key}={tags.get(key)}")
        if found is not None:
            return found
    return None


def _tone(colour: str) -> str:
    """Roof material whose albedo is nearest to a colour by name or #rrggbb; "" for what is neither."""
    name = colour.lower().replace("_", "").replace(" ", "")
    rgb = _COLOURS.get(name)
    if rgb is None and re.fullmatch(r"#[0-9a-f]{6}", name):
        rgb = (int(name[1:3], 16), int(name[3:5], 16), int(name[5:7], 16))
    if rgb is None:
        return ""
    linear = (np.array(rgb) / 255) ** 2.2
    return min(_ROOF_TONES, key=lambda m: float(np.abs(np.sqrt(TABLE[INDEX[m]].albedo) - np.sqrt(linear)).sum()))
