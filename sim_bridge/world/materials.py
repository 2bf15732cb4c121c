"""The normative table, object x phase: each material's look, near-infrared, class and hazard flags.

A triangle (or a cell of the ground raster) names a material; label and colour both follow from that name. What a
hazard does to a thing is therefore a change of its material: lawn -> burnt_lawn is bare + burnt, road under a flood is
covered by flood_water, which is water + flooded.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim_bridge.classes import BURNT, CLASS_ID, DEBRIS, FLOODED


@dataclass(frozen=True)
class Material:
    """A surface: linear albedo in [0, 1] (red, green, blue), near-infrared albedo, texture, class, hazard flags.

    `texture` names a tileable pattern of the renderer; `texture_m` is its period on the ground in metres and
    `contrast` the relative standard deviation of the albedo it causes.
    """

    name: str
    semantic: int
    albedo: tuple[float, float, float]
    nir: float
    texture: str = "noise"
    texture_m: float = 8.0
    contrast: float = 0.12
    hazard: int = 0
    surface: int = 0


def _m(name: str, semantic: str, albedo: tuple[float, float, float], nir: float, texture: str = "noise",
       texture_m: float = 8.0, contrast: float = 0.12, hazard: int = 0, surface: int = 0) -> Material:
    return Material(name, CLASS_ID[semantic], albedo, nir, texture, texture_m, contrast, hazard, surface)


ROOF, WALL = 1, 2

TABLE: tuple[Material, ...] = (
    # index 0 is a sentinel: the material is looked up in the ground raster at the point that was hit
    _m("ground", "void", (0.0, 0.0, 0.0), 0.0),
    # streets and paved ground
    _m("asphalt", "road", (0.132, 0.134, 0.112), 0.16, "asphalt", 12, 0.11),
    _m("asphalt_worn", "road", (0.188, 0.186, 0.150), 0.21, "asphalt", 14, 0.12),
    _m("road_marking", "road", (0.560, 0.560, 0.520), 0.55, "asphalt", 6, 0.05),
    _m("dirt_road", "road", (0.310, 0.240, 0.165), 0.36, "soil", 10, 0.12),
    _m("sidewalk", "paved", (0.265, 0.260, 0.215), 0.29, "slabs", 6, 0.10),
    _m("concrete", "paved", (0.385, 0.370, 0.310), 0.4, "slabs", 8, 0.12),
    _m("parking", "paved", (0.150, 0.150, 0.124), 0.18, "asphalt", 14, 0.14),
    _m("patio", "paved", (0.330, 0.275, 0.215), 0.36, "stones", 4, 0.12),
    # ground
    _m("lawn", "grass", (0.082, 0.135, 0.040), 0.46, "grass", 9, 0.22),
    _m("lawn_dry", "grass", (0.215, 0.180, 0.096), 0.36, "grass", 11, 0.18),
    _m("meadow", "grass", (0.150, 0.165, 0.068), 0.42, "grass", 18, 0.22),
    _m("field_green", "grass", (0.094, 0.145, 0.048), 0.48, "grass", 12, 0.20),
    _m("field_dry", "bare", (0.335, 0.238, 0.145), 0.38, "soil", 20, 0.13),
    _m("vineyard", "grass", (0.215, 0.182, 0.100), 0.38, "grass", 9, 0.16),
    _m("soil", "bare", (0.255, 0.186, 0.118), 0.35, "soil", 12, 0.15),
    _m("mulch", "bare", (0.145, 0.105, 0.075), 0.21, "soil", 6, 0.18),
    _m("gravel", "bare", (0.350, 0.318, 0.252), 0.37, "soil", 7, 0.13),
    _m("sand", "bare", (0.42, 0.35, 0.25), 0.49, "soil", 14, 0.08),
    # water before any hazard
    _m("water", "water", (0.020, 0.032, 0.030), 0.012, "water", 20, 0.16),
    _m("pool_water", "water", (0.12, 0.42, 0.50), 0.03, "water", 6, 0.06),
    # buildings
    _m("roof_shingle_grey", "building", (0.128, 0.130, 0.112), 0.17, "shingle", 5, 0.15, surface=ROOF),
    _m("roof_shingle_brown", "building", (0.178, 0.145, 0.108), 0.24, "shingle", 5, 0.15, surface=ROOF),
    _m("roof_shingle_light", "building", (0.270, 0.252, 0.208), 0.30, "shingle", 5, 0.13, surface=ROOF),
    _m("roof_tile_red", "building", (0.275, 0.155, 0.102), 0.35, "shingle", 4, 0.15, surface=ROOF),
    _m("roof_metal", "building", (0.460, 0.465, 0.440), 0.47, "ribs", 5, 0.09, surface=ROOF),
    _m("roof_gravel", "building", (0.370, 0.360, 0.310), 0.39, "sheet", 11, 0.11, surface=ROOF),
    _m("roof_membrane", "building", (0.740, 0.735, 0.690), 0.72, "sheet", 13, 0.09, surface=ROOF),
    _m("roof_bitumen", "building", (0.105, 0.105, 0.096), 0.12, "sheet", 10, 0.15, surface=ROOF),
    _m("solar_panel", "building", (0.030, 0.036, 0.060), 0.06, "noise", 3, 0.06, surface=ROOF),
    _m("roof_unit", "building", (0.48, 0.48, 0.47), 0.50, "noise", 3, 0.05, surface=ROOF),
    _m("wall_plaster", "building", (0.46, 0.43, 0.38), 0.50, "noise", 6, 0.06, surface=WALL),
    _m("wall_brick", "building", (0.27, 0.17, 0.13), 0.34, "noise", 4, 0.08, surface=WALL),
    _m("wall_wood", "building", (0.30, 0.27, 0.23), 0.36, "noise", 4, 0.08, surface=WALL),
    # plants, vehicles, small things
    _m("crown_broadleaf", "tree", (0.038, 0.090, 0.027), 0.42, "leaf", 6, 0.32),
    _m("crown_conifer", "tree", (0.025, 0.060, 0.023), 0.33, "leaf", 5, 0.34),
    _m("crown_autumn", "tree", (0.140, 0.095, 0.035), 0.38, "leaf", 6, 0.25),
    _m("hedge", "tree", (0.045, 0.090, 0.026), 0.42, "leaf", 3, 0.28),
    _m("trunk", "tree", (0.10, 0.075, 0.055), 0.22, "noise", 2, 0.15),
    _m("fence", "paved", (0.24, 0.20, 0.16), 0.30, "noise", 2, 0.08),
    _m("car_paint", "vehicle", (0.50, 0.50, 0.50), 0.50, "noise", 2, 0.03),
    _m("car_glass", "vehicle", (0.03, 0.035, 0.04), 0.05, "noise", 2, 0.03),
    # after a hazard
    _m("flood_water", "water", (0.128, 0.103, 0.066), 0.048, "water", 30, 0.08, FLOODED),
    _m("mud", "bare", (0.19, 0.15, 0.105), 0.20, "soil", 12, 0.15, FLOODED),
    _m("ash", "rubble", (0.415, 0.378, 0.295), 0.38, "ash", 7, 0.42, BURNT),
    _m("ash_dark", "rubble", (0.200, 0.185, 0.135), 0.21, "ash", 7, 0.48, BURNT),
    _m("charred_debris", "rubble", (0.115, 0.100, 0.080), 0.12, "clutter", 4, 0.50, BURNT | DEBRIS),
    _m("burnt_metal", "rubble", (0.49, 0.45, 0.40), 0.48, "clutter", 4, 0.20, BURNT),
    _m("chimney", "rubble", (0.33, 0.22, 0.18), 0.36, "noise", 2, 0.08, BURNT),
    _m("burnt_ground", "bare", (0.108, 0.088, 0.058), 0.11, "soil", 10, 0.30, BURNT),
    _m("burnt_lawn", "bare", (0.150, 0.122, 0.078), 0.15, "soil", 9, 0.25, BURNT),
    _m("crown_burnt", "tree", (0.055, 0.045, 0.033), 0.07, "leaf", 5, 0.35, BURNT),
    _m("crown_scorched", "tree", (0.130, 0.090, 0.048), 0.20, "leaf", 5, 0.28, BURNT),
    _m("car_burnt", "vehicle", (0.26, 0.24, 0.22), 0.26, "noise", 2, 0.15, BURNT),
    _m("roof_scorched", "building", (0.085, 0.078, 0.072), 0.10, "clutter", 4, 0.30, BURNT, ROOF),
    _m("roof_tarp", "building", (0.10, 0.22, 0.48), 0.40, "noise", 4, 0.06, 0, ROOF),
    _m("rubble_concrete", "rubble", (0.380, 0.360, 0.305), 0.40, "clutter", 5, 0.38, DEBRIS),
    _m("rubble_brick", "rubble", (0.310, 0.220, 0.165), 0.36, "clutter", 5, 0.38, DEBRIS),
    _m("tent", "vehicle", (0.55, 0.56, 0.58), 0.58, "noise", 4, 0.04),
    # more ground, so that no two fields look alike
    _m("field_red", "bare", (0.335, 0.210, 0.125), 0.40, "soil", 16, 0.14),
    _m("field_pale", "bare", (0.410, 0.318, 0.205), 0.44, "soil", 24, 0.10),
    _m("vine_row", "grass", (0.098, 0.118, 0.052), 0.42, "leaf", 4, 0.20),
    _m("forest_floor", "bare", (0.105, 0.090, 0.058), 0.2, "soil", 7, 0.22),
    _m("grass_gold", "grass", (0.285, 0.215, 0.118), 0.38, "grass", 14, 0.16),
    # crowns by species and season
    _m("crown_light", "tree", (0.058, 0.110, 0.034), 0.45, "leaf", 5, 0.26),
    _m("crown_fresh", "tree", (0.085, 0.150, 0.040), 0.50, "leaf", 6, 0.24),
    _m("crown_yellow", "tree", (0.260, 0.190, 0.040), 0.46, "leaf", 6, 0.22),
    _m("crown_red", "tree", (0.190, 0.062, 0.030), 0.42, "leaf", 6, 0.24),
    _m("crown_blossom", "tree", (0.360, 0.300, 0.290), 0.50, "leaf", 4, 0.18),
    _m("crown_olive", "tree", (0.074, 0.105, 0.052), 0.38, "leaf", 5, 0.24),
    _m("crown_pine", "tree", (0.040, 0.070, 0.032), 0.36, "leaf", 4, 0.30),
    _m("crown_palm", "tree", (0.060, 0.095, 0.035), 0.40, "leaf", 2, 0.20),
    _m("crown_bush", "tree", (0.062, 0.098, 0.038), 0.42, "leaf", 3, 0.26),
    _m("crown_bare", "tree", (0.135, 0.112, 0.080), 0.26, "noise", 3, 0.18),
    # parts of buildings
    _m("window", "building", (0.045, 0.055, 0.065), 0.06, "noise", 3, 0.10, surface=WALL),
    _m("door", "building", (0.150, 0.105, 0.075), 0.20, "noise", 3, 0.06, surface=WALL),
    _m("garage_door", "building", (0.480, 0.470, 0.450), 0.50, "noise", 3, 0.04, surface=WALL),
    _m("recess", "building", (0.030, 0.030, 0.032), 0.04, "noise", 4, 0.10, surface=WALL),
    _m("wall_metal", "building", (0.420, 0.430, 0.440), 0.44, "noise", 5, 0.05, surface=WALL),
    _m("wall_concrete", "building", (0.360, 0.350, 0.330), 0.38, "asphalt", 6, 0.08, surface=WALL),
    _m("wall_stone", "building", (0.330, 0.300, 0.250), 0.37, "noise", 4, 0.10, surface=WALL),
    _m("wall_render", "building", (0.600, 0.560, 0.490), 0.62, "noise", 6, 0.05, surface=WALL),
    _m("roof_glass", "building", (0.110, 0.130, 0.145), 0.12, "noise", 3, 0.08, surface=ROOF),
    _m("roof_tile_orange", "building", (0.360, 0.205, 0.125), 0.42, "shingle", 4, 0.13, surface=ROOF),
    _m("roof_tile_brown", "building", (0.170, 0.105, 0.080), 0.26, "shingle", 4, 0.12, surface=ROOF),
    _m("roof_slate", "building", (0.105, 0.112, 0.125), 0.13, "shingle", 4, 0.10, surface=ROOF),
    _m("roof_rust", "building", (0.235, 0.140, 0.090), 0.30, "ribs", 4, 0.22, surface=ROOF),
    _m("roof_corrugated", "building", (0.300, 0.305, 0.305), 0.33, "ribs", 4, 0.13, surface=ROOF),
    _m("roof_concrete", "building", (0.330, 0.320, 0.300), 0.35, "sheet", 10, 0.14, surface=ROOF),
    _m("roof_thatch", "building", (0.230, 0.190, 0.130), 0.34, "shingle", 4, 0.12, surface=ROOF),
    # parts of vehicles
    _m("canvas", "vehicle", (0.300, 0.310, 0.260), 0.38, "noise", 4, 0.06),
    _m("deck", "vehicle", (0.540, 0.510, 0.450), 0.55, "noise", 2, 0.08),
    # ground of settlements: old paving, quays, railways, beds and crops
    _m("cobble", "road", (0.215, 0.200, 0.180), 0.25, "stones", 4, 0.16),
    _m("flagstone", "paved", (0.330, 0.300, 0.255), 0.36, "stones", 8, 0.13),
    _m("yard", "paved", (0.255, 0.245, 0.225), 0.29, "asphalt", 18, 0.16),
    _m("pontoon", "paved", (0.300, 0.255, 0.200), 0.36, "noise", 2, 0.10),
    _m("ballast", "bare", (0.185, 0.165, 0.148), 0.21, "soil", 4, 0.16),
    _m("rail", "bare", (0.120, 0.098, 0.085), 0.14, "noise", 3, 0.08),
    _m("vegetables", "grass", (0.088, 0.132, 0.042), 0.47, "leaf", 2, 0.30),
    _m("crop", "grass", (0.072, 0.118, 0.036), 0.50, "grass", 10, 0.10),
    _m("crop_ripe", "grass", (0.330, 0.265, 0.135), 0.42, "grass", 15, 0.10),
    _m("stubble", "bare", (0.345, 0.282, 0.185), 0.40, "soil", 9, 0.12),
    _m("plough", "bare", (0.158, 0.116, 0.082), 0.24, "soil", 7, 0.16),
    _m("rapeseed", "grass", (0.330, 0.310, 0.050), 0.48, "grass", 9, 0.10),
    _m("court", "paved", (0.300, 0.170, 0.120), 0.34, "asphalt", 12, 0.05),
    # broken buildings
    _m("rubble_slab", "rubble", (0.43, 0.41, 0.385), 0.45, "asphalt", 7, 0.12, DEBRIS),
    _m("rubble_wood", "rubble", (0.33, 0.265, 0.20), 0.40, "clutter", 4, 0.42, DEBRIS),
    _m("roof_stripped", "building", (0.29, 0.225, 0.165), 0.36, "clutter", 3, 0.18, 0, ROOF),
    # sports grounds, fields of panels, the whitest roofs
    _m("court_green", "paved", (0.085, 0.150, 0.105), 0.16, "asphalt", 10, 0.05),
    _m("court_blue", "paved", (0.085, 0.135, 0.230), 0.20, "asphalt", 10, 0.05),
    _m("court_red", "paved", (0.270, 0.130, 0.095), 0.34, "asphalt", 10, 0.06),
    _m("court_line", "paved", (0.62, 0.62, 0.60), 0.62, "asphalt", 6, 0.04),
    _m("pitch", "grass", (0.088, 0.142, 0.046), 0.48, "grass", 8, 0.10),
    _m("pitch_mown", "grass", (0.108, 0.160, 0.056), 0.50, "grass", 8, 0.10),
    _m("infield", "bare", (0.330, 0.215, 0.140), 0.38, "soil", 9, 0.08),
    _m("solar_ground", "paved", (0.030, 0.036, 0.060), 0.06, "noise", 3, 0.06),
    _m("roof_white", "building", (0.860, 0.860, 0.840), 0.85, "sheet", 14, 0.06, surface=ROOF),
    # after fires and floods
    _m("ash_brown", "rubble", (0.310, 0.270, 0.205), 0.31, "ash", 7, 0.44, BURNT),
    _m("branches_burnt", "tree", (0.105, 0.092, 0.078), 0.13, "noise", 2, 0.15, BURNT),
    _m("crown_singed", "tree", (0.058, 0.066, 0.042), 0.17, "leaf", 5, 0.30, BURNT),
    _m("roof_burning", "building", (0.700, 0.320, 0.090), 0.80, "clutter", 3, 0.45, BURNT, ROOF),
    _m("ground_burning", "bare", (0.700, 0.330, 0.100), 0.80, "clutter", 3, 0.45, BURNT),
    _m("flood_shallow", "water", (0.142, 0.115, 0.076), 0.06, "water", 18, 0.08, FLOODED),
    _m("flood_deep", "water", (0.110, 0.088, 0.056), 0.04, "water", 40, 0.07, FLOODED),
    _m("road_silted", "road", (0.225, 0.188, 0.138), 0.24, "soil", 9, 0.16, FLOODED),
    _m("paved_silted", "paved", (0.250, 0.208, 0.152), 0.26, "soil", 8, 0.16, FLOODED),
    _m("lawn_silted", "grass", (0.168, 0.150, 0.092), 0.30, "grass", 10, 0.20, FLOODED),
    _m("soil_wet", "bare", (0.128, 0.098, 0.068), 0.17, "soil", 9, 0.14, FLOODED),
    _m("road_wet", "road", (0.098, 0.093, 0.086), 0.10, "asphalt", 12, 0.10, FLOODED),
    _m("wall_stained", "building", (0.235, 0.190, 0.140), 0.27, "noise", 5, 0.12, FLOODED, WALL),
    _m("debris_wood", "rubble", (0.290, 0.225, 0.160), 0.36, "clutter", 4, 0.30, FLOODED | DEBRIS),
    _m("scour", "bare", (0.265, 0.210, 0.150), 0.28, "soil", 14, 0.16, FLOODED),
    _m("foundation", "rubble", (0.330, 0.310, 0.280), 0.34, "asphalt", 6, 0.14, FLOODED | DEBRIS),
    # what ash does beyond the lots
    _m("ground_ashen", "bare", (0.175, 0.160, 0.130), 0.19, "soil", 8, 0.22, BURNT),
    _m("pool_ashen", "water", (0.060, 0.150, 0.165), 0.03, "water", 6, 0.10, BURNT),
)

INDEX = {material.name: index for index, material in enumerate(TABLE)}
GROUND = INDEX["ground"]
"""Sentinel material of terrain triangles: look the cell up in the ground raster of the current phase."""
