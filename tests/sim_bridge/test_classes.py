"""The label tables and the material table that the labels follow from."""

import numpy as np

from sim_bridge import classes as c
from sim_bridge.world.materials import GROUND, INDEX, TABLE


def test_ids_are_dense_and_names_unique():
    for table in (c.SEMANTIC, c.GRADES, c.LAND_USE, c.SURFACE):
        assert [e.id for e in table] == list(range(len(table)))
        assert len({e.name for e in table}) == len({e.rgb for e in table}) == len(table)


def test_hazard_flags_are_single_bits():
    assert sorted(c.HAZARD_BITS.values()) == [1, 2, 4]


def test_table_hash_is_pinned():
    # a change here makes every stored model and store foreign: raise the store version with it
    assert c.table_hash() == "debbbf8103f0ca91"


def test_the_normative_cases_of_the_design():
    cls = {name: TABLE[i].semantic for name, i in INDEX.items()}
    hazard = {name: TABLE[i].hazard for name, i in INDEX.items()}
    assert (cls["flood_water"], hazard["flood_water"]) == (c.CLASS_ID["water"], c.FLOODED)
    assert cls["pool_water"] == c.CLASS_ID["water"]
    assert (cls["ash"], hazard["ash"]) == (c.CLASS_ID["rubble"], c.BURNT)
    assert (cls["burnt_lawn"], hazard["burnt_lawn"]) == (c.CLASS_ID["bare"], c.BURNT)
    assert cls["tent"] == c.CLASS_ID["vehicle"]
    assert cls["rubble_concrete"] == c.CLASS_ID["rubble"] and hazard["rubble_concrete"] & c.DEBRIS


def ndvi(m):
    return (m.nir - m.albedo[0]) / (m.nir + m.albedo[0])


def test_materials_are_physical():
    assert GROUND == 0 and len(INDEX) == len(TABLE) < 256
    for m in TABLE:
        assert min(m.albedo) >= 0 and max(m.albedo) < 0.9 and 0 <= m.nir < 0.9
    leafy = [m for m in TABLE if m.name in ("lawn", "crown_broadleaf", "meadow")]
    wet = [m for m in TABLE if m.name in ("water", "pool_water", "flood_water")]
    assert min(ndvi(m) for m in leafy) > 0.4 > 0 > max(ndvi(m) for m in wet)
    assert np.isfinite([m.texture_m for m in TABLE]).all()
