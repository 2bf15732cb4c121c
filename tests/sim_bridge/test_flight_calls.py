"""Flight through a server's socket, in each dialect: every multirotor call, its answer, and what it does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import SPEC, Running, end, start, write_world

from sim_bridge.airsim.client import Client
from sim_bridge.errors import SimulatorError
from sim_bridge.frames import NED, NedPose, Quaternion, quaternion_from_euler

LEVEL = Quaternion(1.0, 0.0, 0.0, 0.0)
FREE: dict[str, Any] = {"drivetrain": 0, "yaw_mode": {"is_rate": True, "yaw_or_rate": 0.0}}
PATH: dict[str, Any] = {**FREE, "lookahead": -1.0, "adaptive_lookahead": 1.0}
ROOF_M = 10.0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flown")
    write_world(folder)
    return folder


@pytest.fixture(scope="module", params=["airsim", "colosseum", pytest.param("cosys", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest, root: Path) -> Iterator[Running]:
    running = start(root, "--dialect", request.param, "--mode", "Multirotor", "--steppable", "--load", SPEC.world_id)
    yield running
    assert end(running) == 0


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with server.client(30.0) as client:
        client.reset()
        client.take_control()
        yield client


@pytest.fixture
def aloft(client: Client) -> Client:
    """A vehicle 30 m above the roof that it started on, at rest."""
    client.ask("simSetVehiclePose", pose=NedPose(NED(0, 0, -30), LEVEL), ignore_collision=True)
    return client


def motion(client: Client) -> dict[str, Any]:
    return dict(client.ask("simGetGroundTruthKinematics"))


def place(client: Client) -> NED:
    position: NED = motion(client)["position"]
    return position


def do(client: Client, method: str, **values: Any) -> Any:
    return client.submit(method, **values).result(60)


def test_takes_off_and_lands(client: Client) -> None:
    assert client.state()["landed_state"] == 0
    assert do(client, "takeoff", timeout_sec=20.0) is True
    state = client.state()
    assert state["landed_state"] == 1
    assert state["kinematics_estimated"]["position"].down == pytest.approx(-1.87, abs=0.1)
    assert state["gps_location"].alt_m == pytest.approx(ROOF_M + 1.87, abs=0.1)
    assert do(client, "land", timeout_sec=60.0) is True
    assert client.state()["landed_state"] == 0
    collision = client.ask("simGetCollisionInfo")
    assert collision["has_collided"] and collision["object_name"] == "mage_building_7"
    assert not client.ask("simGetCollisionInfo")["has_collided"]


def test_goes_to_positions_heights_and_home(aloft: Client) -> None:
    assert do(aloft, "moveToPosition", x=10, y=-5, z=-25, velocity=4, timeout_sec=60, **PATH) is True
    assert place(aloft).array() == pytest.approx([10, -5, -25], abs=1.5)
    level = {key: value for key, value in PATH.items() if key != "drivetrain"}
    assert do(aloft, "moveToZ", z=-20, velocity=3, timeout_sec=60, **level) is True
    assert place(aloft).down == pytest.approx(-20, abs=0.7)
    assert do(aloft, "hover") is True
    path = [NED(10, 10, -20), NED(0, 10, -20)]
    assert do(aloft, "moveOnPath", path=path, velocity=4, timeout_sec=90, **PATH) is True
    assert place(aloft).array() == pytest.approx([0, 10, -20], abs=1.5)
    home = aloft.ask("getHomeGeoPoint")
    assert home.alt_m == pytest.approx(ROOF_M, abs=0.01)
    assert do(aloft, "moveToGPS", latitude=home.lat_deg, longitude=home.lon_deg, altitude=home.alt_m + 15, velocity=5,
              timeout_sec=60, **PATH) is True
    assert place(aloft).array() == pytest.approx([0, 0, -15], abs=1.5)
    assert do(aloft, "goHome", timeout_sec=2.0) is False
    assert place(aloft).down > -14.8


def test_moves_by_velocities(aloft: Client) -> None:
    for method, values in {"moveByVelocity": {"vz": 0.0}, "moveByVelocityZ": {"z": -30.0}}.items():
        assert do(aloft, method, vx=3.0, vy=-2.0, duration=4.0, **values, **FREE) is True
        assert motion(aloft)["linear_velocity"].array() == pytest.approx([3, -2, 0], abs=0.4)
    east = {"drivetrain": 0, "yaw_mode": {"is_rate": False, "yaw_or_rate": 90.0}}
    do(aloft, "moveByVelocity", vx=0.0, vy=0.0, vz=0.0, duration=6.0, **east)
    for method, values in {"moveByVelocityBodyFrame": {"vz": 0.0}, "moveByVelocityZBodyFrame": {"z": -30.0}}.items():
        assert do(aloft, method, vx=2.0, vy=0.0, duration=4.0, **values, **FREE) is True
        assert motion(aloft)["linear_velocity"].array() == pytest.approx([0, 2, 0], abs=0.4)
    assert do(aloft, "moveByVelocity", vx=1.0, vy=0.0, vz=0.0, duration=0.0, **FREE) is True
    assert do(aloft, "moveByVelocityZ", vx=1.0, vy=0.0, z=-9.0, duration=0.0, **FREE) is False


@pytest.mark.parametrize(("method", "values"), [
    ("moveByRollPitchYawZ", {"roll": 0.1, "pitch": 0.0, "yaw": 0.0, "z": -30.0}),
    ("moveByRollPitchYawThrottle", {"roll": 0.1, "pitch": 0.0, "yaw": 0.0, "throttle": 0.6}),
    ("moveByRollPitchYawrateThrottle", {"roll": 0.1, "pitch": 0.0, "yaw_rate": 0.0, "throttle": 0.6}),
    ("moveByRollPitchYawrateZ", {"roll": 0.1, "pitch": 0.0, "yaw_rate": 0.0, "z": -30.0}),
    ("moveByAngleRatesZ", {"roll_rate": 0.1, "pitch_rate": 0.0, "yaw_rate": 0.0, "z": -30.0}),
    ("moveByAngleRatesThrottle", {"roll_rate": 0.1, "pitch_rate": 0.0, "yaw_rate": 0.0, "throttle": 0.6}),
    ("moveByMotorPWMs", {"front_right_pwm": 0.5999, "rear_left_pwm": 0.6001, "front_left_pwm": 0.6001,
                         "rear_right_pwm": 0.5999}),
])
def test_rolling_right_goes_east(aloft: Client, method: str, values: dict[str, float]) -> None:
    assert do(aloft, method, **values, duration=2.0) is True
    assert motion(aloft)["linear_velocity"].east > 0.1
    assert abs(place(aloft).north) < 0.05


def test_turns(aloft: Client) -> None:
    assert do(aloft, "rotateToYaw", yaw=90.0, timeout_sec=20.0, margin=4.0) is True
    turned = motion(aloft)["orientation"].array()
    assert abs(turned @ quaternion_from_euler(0, 0, 90).array()) > math.cos(math.radians(2.5))
    assert do(aloft, "rotateByYawRate", yaw_rate=40.0, duration=3.0) is True
    assert motion(aloft)["angular_velocity"].down == pytest.approx(math.radians(40), abs=0.1)


def test_sticks_and_rotors(aloft: Client) -> None:
    sticks = {"timestamp": 0, "pitch": 5000.0, "roll": 0.0, "throttle": 0.0, "yaw": 0.0, "left_z": 0.0, "right_z": 0.0,
              "switches": 0, "vendor_id": "", "is_initialized": True, "is_valid": True}
    aloft.ask("moveByRC", data=sticks)
    assert aloft.state()["rc_data"]["pitch"] == 5000.0
    assert do(aloft, "moveByManual", vx_max=4.0, vy_max=4.0, z_min=-5.0, duration=4.0, **FREE) is True
    assert motion(aloft)["linear_velocity"].north == pytest.approx(2.0, abs=0.4)
    rotors = aloft.ask("getRotorStates")["rotors"]
    assert sum(rotor["thrust"] for rotor in rotors) == pytest.approx(9.8, abs=1.0)
    assert all(400 < rotor["speed"] < 670 for rotor in rotors)
    assert [math.copysign(1, rotor["torque_scaler"]) for rotor in rotors] == [-1, -1, 1, 1]


def test_gains_are_used(aloft: Client) -> None:
    none = {"kp": [0.0] * 3, "ki": [0.0] * 3, "kd": [0.0] * 3}
    aloft.ask("setVelocityControllerGains", **{**none, "kp": [0.0, 0.2, 2.0], "ki": [0.0, 0.0, 2.0]})
    do(aloft, "moveByVelocity", vx=3.0, vy=3.0, vz=0.0, duration=4.0, **FREE)
    velocity = motion(aloft)["linear_velocity"]
    assert abs(velocity.north) < 0.01 and velocity.east > 2.5
    aloft.ask("setVelocityControllerGains", **{**none, "kp": [0.2, 0.2, 2.0], "ki": [0.0, 0.0, 2.0]})
    aloft.ask("setPositionControllerGains", **{**none, "kp": [0.25] * 3})
    aloft.ask("setAngleLevelControllerGains", **{**none, "kp": [2.5] * 3})
    aloft.ask("setAngleRateControllerGains", **{**none, "kp": [0.25] * 3})
    with pytest.raises(SimulatorError, match="three finite numbers"):
        aloft.ask("setPositionControllerGains", **{**none, "kp": [0.1]})
    aloft.reset()


def test_time_is_lent_in_lock_step(client: Client) -> None:
    def now() -> int:
        return int(client.state()["timestamp"])

    client.pause()
    task, began = client.takeoff(), now()
    client.continue_for(1.25)
    assert now() - began == 1_250_000_000
    assert client.is_paused() and not task.done()
    client.ask("simContinueForFrames", frames=30)
    assert now() - began == 1_750_000_000
    client.ask("cancelLastTask")
    assert task.result(10) is False
    client.pause(False)


def test_calls_that_move_are_begun_in_the_order_in_which_they_are_sent(client: Client) -> None:
    seen = set()
    for _ in range(12):
        sent = [client.submit("simPause", is_paused=True), client.submit("takeoff", timeout_sec=20.0),
                client.submit("simContinueForTime", seconds=1.0)]
        assert sent[2].result(10) is None
        seen.add(place(client))
        client.reset()
        assert [call.result(10) for call in sent[:2]] == [None, False]
        client.take_control()
    assert len(seen) == 1


def test_who_may_command_and_when(client: Client) -> None:
    client.take_control(False)
    assert client.ask("armDisarm", arm=True) is False
    assert do(client, "takeoff", timeout_sec=1.0) is False
    assert client.state()["landed_state"] == 0
    with pytest.raises(SimulatorError, match=r"Vehicle API for 'Bob' is not available"):
        client.ask("takeoff", timeout_sec=1.0, vehicle_name="Bob")
    with pytest.raises(SimulatorError, match="safety_eval_ptr_"):
        client.ask("setSafety", enable_reasons=1, obs_clearance=1.0, obs_startegy=0, obs_avoidance_vel=1.0,
                   origin=NED(0, 0, 0), xy_length=1.0, max_z=1.0, min_z=1.0)


def test_disarmed_in_the_air_it_falls_until_the_next_command(aloft: Client) -> None:
    assert aloft.ask("armDisarm", arm=False) is True
    aloft.continue_for(1.0)
    aloft.pause(False)
    assert motion(aloft)["linear_velocity"].down > 5
    assert do(aloft, "hover") is True
    assert place(aloft).down < -10


def test_motions_are_set_and_vehicles_added(client: Client) -> None:
    state = {**motion(client), "position": NED(3, 4, -20), "linear_velocity": NED(2, 0, 0)}
    client.ask("simSetKinematics", state=state, ignore_collision=True)
    assert motion(client)["linear_velocity"] == NED(2, 0, 0)
    assert place(client) == NED(3, 4, -20)
    added = {"vehicle_type": "SimpleFlight", "pose": NedPose(NED(20, 20, 0), LEVEL), "pawn_path": ""}
    if "Second" not in client.list_vehicles():
        assert client.ask("simAddVehicle", vehicle_name="Second", **added) is True
    assert client.ask("simAddVehicle", vehicle_name="Second", **added) is False
    client.ask("enableApiControl", is_enabled=True, vehicle_name="Second")
    both = [client.submit("takeoff", timeout_sec=20.0, vehicle_name=name) for name in ("Second", "")]
    assert both[0].result(30) is True
    with pytest.raises(SimulatorError, match="already moving with velocity"):
        both[1].result(30)


def test_wind_and_force_push(aloft: Client) -> None:
    aloft.ask("simSetWind", wind=NED(0, 8, 0))
    aloft.continue_for(10)
    assert 0.05 < place(aloft).east < 1.5
    aloft.ask("simSetWind", wind=NED(0, 0, 0))
    if aloft.dialect.name != "airsim":
        aloft.ask("simSetExtForce", ext_force=NED(0.5, 0, 0))
        aloft.continue_for(10)
        assert 0.1 < place(aloft).north < 1.5
        aloft.ask("simSetExtForce", ext_force=NED(0, 0, 0))
    aloft.pause(False)
