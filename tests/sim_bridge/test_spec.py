"""The spec: JSON round trip, canonical hash, refusal of what cannot be built, and the space it is drawn from."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_bridge import space
from sim_bridge import spec as s
from sim_bridge.errors import InputError

SPACE = space.SceneSpace({
    "hazard.kind": space.Choice(("none", "flood", "earthquake", "fire")), "fire.hours": space.Range(1, 9),
    "flood.stage_m": space.Range(0.5, 4), "earthquake.magnitude": space.Range(5, 8),
    "layout.density": space.Range(0.2, 1),
    "layout.settlement": space.Choice(("suburb", "town", "rural"), (3, 1, 1)), "view.gsd_m": space.Range(0.3, 0.7),
    "light_after.haze": space.Range(0, 0.6), "season_after": space.Choice(("summer", "autumn")),
})


@st.composite
def specs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return SPACE.decode(rng.random(len(SPACE.names)), int(rng.integers(1 << 30)))


@given(specs())
def test_json_round_trip(spec):
    again = s.from_json(json.loads(json.dumps(s.to_json(spec))))
    assert again == spec
    assert (again.scene_id, again.world_id) == (spec.scene_id, spec.world_id)


@given(specs(), st.floats(-0.0004, 0.0004))
def test_hash_ignores_what_is_below_the_quantum(spec, tiny):
    density = round(spec.layout.density, 3)
    base = dataclasses.replace(spec, layout=dataclasses.replace(spec.layout, density=density))
    near = dataclasses.replace(spec, layout=dataclasses.replace(spec.layout, density=density + tiny))
    assert near.scene_id == base.scene_id


@given(specs())
def test_views_share_a_world(spec):
    other = dataclasses.replace(spec, view=s.View(gsd_m=0.123), light_after=s.Light(haze=0.9))
    assert other.world_id == spec.world_id
    assert other.scene_id != spec.scene_id
    assert dataclasses.replace(spec, seed=spec.seed + 1).world_id != spec.world_id


def test_ids_are_the_same_in_another_process_and_pinned():
    code = "from sim_bridge.spec import *; s = SceneSpec(hazard=Fire()); print(s.scene_id, s.world_id)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    spec = s.SceneSpec(hazard=s.Fire())
    assert out == [spec.scene_id, spec.world_id]
    assert spec.scene_id == "8ae8ffce24df5faa"


def test_distance_follows_from_gsd_and_field_of_view():
    assert s.View(gsd_m=0.5, hfov_deg=90).distance_m(512) == pytest.approx(128)


@pytest.mark.parametrize(("value", "message"), [
    ({"hazard": {"kind": "meteor"}}, "hazard.kind is 'meteor': expected one of none, flood"),
    ({"layout": {"desnity": 0.5}}, "layout.desnity is not known: expected one of"),
    ({"layout": {"density": 1.5}}, "layout.density is 1.5: expected 0 to 1"),
    ({"layout": {"settlement": "moon"}}, "layout.settlement is 'moon': expected one of suburb"),
    ({"view": {"gsd_m": "half"}}, "view.gsd_m is 'half': expected float"),
    ({"colour": 1}, "scene.colour is not known"),
])
def test_bad_specs_are_named(value, message):
    with pytest.raises(InputError) as caught:
        s.from_json(value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_space_reads_ranges_and_choices_and_refuses_the_rest():
    drawn = space.space_from_json({"layout.density": [0.2, 0.4], "hazard.kind": {"options": ["fire"]}})
    assert drawn.decode([0.5, 0.5], 1).layout.density == pytest.approx(0.3)
    with pytest.raises(InputError, match=r"space\.layout\.density is 'x'"):
        space.space_from_json({"layout.density": "x"})


@given(st.integers(0, 2**32 - 1))
def test_choice_follows_its_weights(seed):
    u = np.random.default_rng(seed).random(4000)
    drawn = [space.Choice(("a", "b"), (3, 1)).at(x) for x in u]
    assert drawn.count("a") / len(drawn) == pytest.approx(0.75, abs=0.05)
