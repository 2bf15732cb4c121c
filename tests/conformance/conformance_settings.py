"""settings.json of the conformance servers, in AirSim's own schema."""

from __future__ import annotations

from typing import Any

_SENSORS = {
    "Lidar": {"SensorType": 6, "Enabled": True, "NumberOfChannels": 8, "PointsPerSecond": 20000, "Range": 60,
              "RotationsPerSecond": 10, "X": 0, "Y": 0, "Z": -1, "VerticalFOVUpper": -10, "VerticalFOVLower": -60,
              "HorizontalFOVStart": 0, "HorizontalFOVEnd": 359, "DataFrame": "SensorLocalFrame"},
    "Distance": {"SensorType": 5, "Enabled": True, "MinDistance": 0.2, "MaxDistance": 100, "Pitch": -90},
    "Imu": {"SensorType": 2, "Enabled": True}, "Gps": {"SensorType": 3, "Enabled": True},
    "Barometer": {"SensorType": 1, "Enabled": True}, "Magnetometer": {"SensorType": 4, "Enabled": True},
}
_EXTERNAL = {"fixed1": {"X": 0, "Y": 0, "Z": -60, "Pitch": -90, "Roll": 0, "Yaw": 0}}
_RECORDING = {"RecordOnMove": False, "RecordInterval": 0.05, "Cameras": [
    {"CameraName": "0", "ImageType": 0, "PixelsAsFloat": False, "VehicleName": "", "Compress": True}]}
_COMMON = {"ExternalCameras": _EXTERNAL, "Recording": _RECORDING}
_COSYS_SENSORS = {**_SENSORS, "GpuLidar": {"SensorType": 8, "Enabled": True, "NumberOfChannels": 8, "Range": 60,
                                           "MeasurementsPerCycle": 128},
                  "Echo": {"SensorType": 7, "Enabled": True}, "Uwb": {"SensorType": 9, "Enabled": True},
                  "Wifi": {"SensorType": 10, "Enabled": True}}
_LAYERS = [{"Name": "Grey", "Type": 1, "Default": True, "SetDirect": False},
           {"Name": "Colour", "Type": 0, "Default": True, "SetDirect": True},
           {"Name": "Index", "Type": 0, "Default": True, "SetDirect": False},
           {"Name": "Texture", "Type": 2, "Default": True, "SetDirect": True}]

SETTINGS: dict[str, dict[str, Any]] = {
    "ComputerVision": _COMMON,
    "Multirotor": {**_COMMON, "Vehicles": {
        "Drone1": {"VehicleType": "SimpleFlight", "X": 0, "Y": 0, "Sensors": _SENSORS},
        "Drone2": {"VehicleType": "SimpleFlight", "X": 6, "Y": 0, "Sensors": _SENSORS}}},
    "Car": {**_COMMON, "Vehicles": {"Car1": {"VehicleType": "PhysXCar", "X": 0, "Y": 0, "Sensors": _SENSORS}}},
}
COSYS: dict[str, dict[str, Any]] = {mode: {**table, "Annotation": _LAYERS} for mode, table in SETTINGS.items()}
for _vehicles in (table.get("Vehicles", {}) for table in COSYS.values()):
    for _name, _vehicle in _vehicles.items():
        _vehicles[_name] = {**_vehicle, "Sensors": _COSYS_SENSORS}
