"""Objects of the scene through any sequence of changes."""

from __future__ import annotations

import numpy as np
from edited_world import (
    CROWN,
    HOUSE,
    UNIT,
    factors,
    package,
    poses,
    scene_of,
    shape,
    spawn,
    state_of,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sim_bridge.embedded import scene_objects
from sim_bridge.embedded.assets import NAMES
from sim_bridge.embedded.edits import free_name
from sim_bridge.embedded.objects import TERRAIN
from sim_bridge.frames import NedPose

TOWN = state_of(package(HOUSE, CROWN))


class Changes(RuleBasedStateMachine):
    """Any sequence of changes, against a plain record of what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.state = TOWN
        assert TOWN.loaded is not None
        self.poses = dict(TOWN.loaded.poses)
        self.scales = dict.fromkeys(self.poses, UNIT)

    @rule(wanted=st.sampled_from(["a", "b", "mage_trees"]), kind=st.sampled_from(NAMES), pose=poses())
    def spawn(self, wanted: str, kind: str, pose: NedPose) -> None:
        name = free_name(wanted, self.poses)
        self.state, given_name = spawn(self.state, wanted, kind, pose)
        assert given_name == name
        self.poses[name], self.scales[name] = pose, UNIT

    @rule(data=st.data())
    def destroy(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.poses)))
        can = scene_objects.can_change(self.state, name)
        self.state, done = scene_objects.destroy(self.state, name)
        assert done == can
        if done:
            del self.poses[name], self.scales[name]

    @rule(data=st.data(), pose=poses(), scale=st.tuples(factors, factors, factors))
    def change(self, data: st.DataObject, pose: NedPose, scale: tuple[float, float, float]) -> None:
        name = data.draw(st.sampled_from(sorted(self.poses)))
        self.state, done = scene_objects.change(self.state, name, pose=pose, scale=scale)
        if done:
            self.poses[name], self.scales[name] = pose, scale

    @rule(data=st.data(), stencil=st.integers(-1, 255))
    def mark(self, data: st.DataObject, stencil: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.poses)))
        self.state, found = scene_objects.set_stencil(self.state, name, stencil, False)
        assert found and scene_objects.stencil_of(self.state, name) == stencil

    @invariant()
    def objects_are_those_asked_for(self) -> None:
        assert self.state.loaded is not None
        assert self.state.loaded.poses == self.poses
        assert {name: scene_objects.scale_of(self.state, name) for name in self.poses} == self.scales

    @invariant()
    def the_picture_has_the_instances_that_are_there(self) -> None:
        assert self.state.loaded is not None
        listed = set(self.state.loaded.scene.objects().spawned.values())
        seen = set(np.unique(shape(self.state).instance).tolist()) - {0}
        assert seen <= listed | {7}
        assert 7 not in seen or "mage_building_7" in self.poses

    def teardown(self) -> None:
        for name in list(self.poses):
            self.state, _ = scene_objects.destroy(self.state, name)
        assert self.state.loaded is not None
        assert set(self.state.loaded.poses) == {"Ground", *TERRAIN}
        assert not (shape(self.state).instance > 0).any()
        assert scene_objects.unchanged(self.state.loaded).scene is scene_of(TOWN)


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
