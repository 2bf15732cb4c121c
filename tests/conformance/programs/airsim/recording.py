"""Multirotor: a flight is recorded by the server, and read back from its disk."""

import sys
from pathlib import Path

import airsim

client = airsim.MultirotorClient(port=int(sys.argv[1]))
root = Path(sys.argv[2])
client.confirmConnection()
client.reset()
client.enableApiControl(True)
client.armDisarm(True)
client.takeoffAsync().join()
assert client.isRecording() is False
client.startRecording()
assert client.isRecording() is True
client.moveByVelocityAsync(2, 0, -2, 2).join()
client.stopRecording()
assert client.isRecording() is False
logs = sorted(root.rglob("airsim_rec.txt"))
assert logs, "nothing was recorded"
lines = logs[-1].read_text().splitlines()
header = lines[0].split("\t")
assert header[:3] == ["VehicleName", "TimeStamp", "POS_X"] and header[-1] == "ImageFile"
assert len(lines) > 3
for line in lines[1:]:
    values = dict(zip(header, line.split("\t"), strict=True))
    assert values["VehicleName"] == "Drone1" and float(values["POS_Z"]) < 5
    assert (logs[-1].parent / "images" / values["ImageFile"]).is_file()
client.reset()
print("done", len(lines))
