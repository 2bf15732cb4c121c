"""Pixel order and palette, measured on servers that do otherwise than their dialect says."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scripted_server import HELLO, image_reply, reply, server_that

from sim_bridge.airsim import connect
from sim_bridge.airsim.measure import PROBED
from sim_bridge.airsim.messages import SCENE, SEGMENTATION
from sim_bridge.airsim.palette import static_palette
from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.instance_colours import colour_map
from sim_bridge.errors import SimulatorError

U8 = npt.NDArray[np.uint8]
SHIFTED = np.roll(static_palette(), 3, axis=0)
ONE_OFF = np.where(np.arange(256)[:, None] == PROBED[5], 255 - static_palette(), static_palette()).astype(np.uint8)
METHODS = ("simGetImages", "simListInstanceSegmentationObjects", "simListSceneObjects",
           "simSetSegmentationObjectID", "simGetSegmentationObjectID")


@dataclass
class Stripes:
    """A world of vertical stripes, each an object with an id, of which the first is what no object has."""

    palette: U8 = field(default_factory=static_palette)
    bgr: bool = True
    grey_cameras: tuple[str, ...] = ()
    ids: dict[str, int] = field(default_factory=lambda: {"left": 1, "middle": 2, "right": 9, "hidden": 4})
    in_sight: tuple[str, ...] = ("left", "middle", "right")
    looks: int = 0

    def answer(self, sock: socket.socket, request: list[Any]) -> None:
        reply(sock, request, getattr(self, request[2])(*request[3]))

    def simListSceneObjects(self, _: str) -> list[str]:
        return list(self.ids)

    def simListInstanceSegmentationObjects(self) -> list[str]:
        return list(self.ids)

    def simGetSegmentationObjectID(self, name: str) -> int:
        return self.ids.get(name, -1)

    def simSetSegmentationObjectID(self, name: str, number: int, _: bool) -> bool:
        self.ids[name] = number
        return True

    def simGetImages(self, requests: list[Any], *_: Any) -> list[Any]:
        self.looks += 1
        return [self.image(request) for request in requests]

    def image(self, request: dict[str, Any]) -> dict[str, Any]:
        stripes = self.palette[[0, *(self.ids[name] for name in self.in_sight)]]
        rgb = np.repeat(np.repeat(stripes[None], 8, axis=0), 4, axis=1)
        if request["camera_name"] in self.grey_cameras:
            rgb = np.repeat(rgb[..., :1], 3, axis=2)
        data = cv2.imencode(".png", rgb[..., ::-1])[1] if request["compress"] else rgb[..., ::-1 if self.bgr else 1]
        return image_reply(image_data_uint8=data.tobytes(), width=rgb.shape[1], height=rgb.shape[0],
                           image_type=request["image_type"], compress=request["compress"])


@pytest.mark.parametrize("bgr", [True, False])
@pytest.mark.parametrize("grey", [(), ("0", "1"), ("0", "1", "2", "3", "4")])
def test_raw_pixels_are_read_in_the_order_that_they_have(bgr: bool, grey: tuple[str, ...]) -> None:
    world = Stripes(bgr=bgr, grey_cameras=grey)
    with server_that(world.answer, only=METHODS) as port, connect("127.0.0.1", port) as client:
        seen = [client.images("0", [SCENE])[0].pixels[0, 4].tolist() for _ in range(5)]
        looks, measured = world.looks, client.measured()
    if len(grey) == 5:
        # nothing tells the order: the dialect's is taken, and not for ever looked for
        assert (measured.bgr, measured.bgr_seen) == (True, False) and looks < 40
    else:
        assert (measured.bgr, measured.bgr_seen) == (bgr, True)
        colour = static_palette()[1].tolist()
        assert seen == [[colour[0]] * 3 if grey else colour] * 5


@pytest.mark.parametrize("palette", [static_palette(), SHIFTED, ONE_OFF], ids=["airsim", "shifted", "one-off"])
@pytest.mark.parametrize("bgr", [True, False])
def test_ids_are_read_whatever_their_colours(palette: U8, bgr: bool) -> None:
    world = Stripes(palette=palette, bgr=bgr)
    had = dict(world.ids)
    with server_that(world.answer, only=METHODS) as port, connect("127.0.0.1", port) as client:
        (image,) = client.images("0", [SEGMENTATION])
        assert client.classes(image.pixels)[0].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [9] * 4
        measured = client.measured()
        assert measured.palette is not None and measured.palette_seen
        np.testing.assert_array_equal(measured.palette, palette)
        looks = world.looks
        client.classes(image.pixels)
    assert world.looks == looks < 110 and world.ids == had


@pytest.mark.parametrize("shift", [0, 5])
def test_colours_of_cosys_objects_are_read_whatever_their_map(shift: int) -> None:
    names = ("mage_trees", "mage_water", "mage_building_3")
    world = Stripes(palette=colour_map()[shift:shift + 20], bgr=False, in_sight=names,
                    ids=dict(zip((*names, "mage_building_9"), (4, 7, 11, 12), strict=True)))
    had = dict(world.ids)
    hello = HELLO | {"getServerVersion": 4}
    with server_that(world.answer, METHODS, hello) as port, connect("127.0.0.1", port) as client:
        (image,) = client.images("0", [SEGMENTATION])
        black = np.zeros_like(image.pixels[:, :4])
        seen = np.concatenate([black, image.pixels[:, 4:]], axis=1)
        classes, looks = client.classes(seen), world.looks
        client.console("mage.load another")
        np.testing.assert_array_equal(client.classes(seen), classes)
        # a map that is Cosys' own is looked at once, another one in every world
        assert (world.looks == looks) == (shift == 0)
    expected = [0, CLASS_ID["tree"], CLASS_ID["water"], CLASS_ID["building"]]
    assert classes[0, ::4].tolist() == expected and world.ids == had


def test_with_nothing_in_sight_airsims_palette_is_taken() -> None:
    world = Stripes(in_sight=())
    with server_that(world.answer, only=METHODS) as port, connect("127.0.0.1", port) as client:
        measured = client.measured()
        assert not measured.palette_seen
        np.testing.assert_array_equal(measured.palette, static_palette())
        with pytest.raises(SimulatorError, match="not in the palette"):
            client.classes(np.full((2, 2, 3), 1, np.uint8))


def test_ids_are_given_back_even_if_a_look_fails() -> None:
    world = Stripes()
    had, broken = dict(world.ids), world.image

    def failing(request: dict[str, Any]) -> dict[str, Any]:
        return broken(request) if world.looks < 5 else image_reply(width=0)

    world.image = failing
    with server_that(world.answer, only=METHODS) as port, connect("127.0.0.1", port) as client, \
            pytest.raises(SimulatorError):
        client.measured()
    assert world.ids == had
