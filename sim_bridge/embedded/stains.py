"""What a surface is mottled with: patches of each material lean towards the colour of another, in every band alike.

Lawns dry out in patches, asphalt wears pale, roofs gather lichen and rust, flood water carries streaks of silt. Classes
and hazard flags stay those of the material itself.
"""

from __future__ import annotations

STAINS: dict[str, tuple[str, float]] = {
    # ground: the other material, and how far the patches lean to it
    "asphalt": ("asphalt_worn", 0.45), "asphalt_worn": ("asphalt", 0.4), "parking": ("asphalt_worn", 0.5),
    "dirt_road": ("field_pale", 0.4), "sidewalk": ("concrete", 0.4), "concrete": ("sidewalk", 0.6),
    "patio": ("concrete", 0.3), "yard": ("asphalt", 0.35), "cobble": ("mulch", 0.25), "flagstone": ("sidewalk", 0.4),
    "lawn": ("lawn_dry", 0.40), "lawn_dry": ("lawn", 0.40), "pitch": ("lawn_dry", 0.3), "pitch_mown": ("lawn_dry", 0.3),
    "meadow": ("lawn_dry", 0.55), "field_green": ("meadow", 0.55), "crop": ("meadow", 0.25),
    "vegetables": ("soil", 0.3), "rapeseed": ("crop", 0.3), "crop_ripe": ("stubble", 0.4),
    "field_dry": ("grass_gold", 0.6), "grass_gold": ("field_red", 0.45), "field_red": ("field_dry", 0.5),
    "field_pale": ("field_dry", 0.5), "stubble": ("field_dry", 0.4), "plough": ("soil", 0.5),
    "vineyard": ("soil", 0.4), "vine_row": ("crown_bush", 0.3), "forest_floor": ("lawn_dry", 0.35),
    "soil": ("mulch", 0.35), "mulch": ("soil", 0.3), "gravel": ("soil", 0.3), "sand": ("gravel", 0.3),
    # roofs and walls
    "roof_shingle_grey": ("roof_shingle_brown", 0.35), "roof_shingle_brown": ("roof_shingle_grey", 0.35),
    "roof_shingle_light": ("roof_shingle_brown", 0.3), "roof_tile_red": ("roof_tile_brown", 0.5),
    "roof_tile_orange": ("roof_tile_brown", 0.4), "roof_tile_brown": ("roof_tile_red", 0.4),
    "roof_slate": ("roof_shingle_brown", 0.3), "roof_metal": ("roof_rust", 0.2), "roof_corrugated": ("roof_rust", 0.45),
    "roof_rust": ("roof_corrugated", 0.3), "roof_gravel": ("roof_bitumen", 0.2), "roof_membrane": ("roof_gravel", 0.4),
    "roof_white": ("roof_membrane", 0.5), "roof_bitumen": ("roof_gravel", 0.25), "roof_concrete": ("roof_bitumen", 0.3),
    "wall_plaster": ("wall_brick", 0.15), "wall_concrete": ("wall_wood", 0.3), "wall_metal": ("roof_rust", 0.15),
    # plants
    "crown_broadleaf": ("crown_bush", 0.4), "crown_conifer": ("crown_broadleaf", 0.3), "hedge": ("crown_bush", 0.4),
    "crown_bush": ("crown_olive", 0.4), "crown_pine": ("crown_conifer", 0.5), "crown_autumn": ("crown_broadleaf", 0.3),
    # after a hazard
    "mud": ("soil_wet", 0.6), "soil_wet": ("mud", 0.5), "road_silted": ("asphalt", 0.4), "lawn_silted": ("mud", 0.5),
    "scour": ("soil_wet", 0.4), "ash": ("ash_brown", 0.55), "ash_brown": ("ash_dark", 0.5),
    "ash_dark": ("charred_debris", 0.5), "burnt_ground": ("burnt_lawn", 0.7), "burnt_lawn": ("burnt_ground", 0.6),
    "crown_burnt": ("crown_scorched", 0.3), "crown_scorched": ("crown_burnt", 0.4), "burnt_metal": ("roof_rust", 0.4),
    "rubble_concrete": ("rubble_brick", 0.3), "rubble_brick": ("rubble_concrete", 0.4),
}
