"""What a server does with pixels, ids and depths, found out by looking at its images.

Builds differ from their documentation: the order of raw pixels, the palette of ids, the precision of depths (protocol
reference, sections 8 and 10). Each is measured once for a connection, when it is first needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from sim_bridge.airsim.checks import Image, Precision, precision, read_images
from sim_bridge.airsim.messages import SCENE, SEGMENTATION, ImageType
from sim_bridge.airsim.palette import U8, PaletteReader, static_palette
from sim_bridge.classes import CLASS_ID
from sim_bridge.embedded.instance_colours import COLOURS, colour_map
from sim_bridge.embedded.objects import GROUPS
from sim_bridge.errors import FrameError, SimulatorError
from sim_bridge.frames import NED

if TYPE_CHECKING:
    from sim_bridge.airsim.client import Client

PROBED = (*CLASS_ID.values(), 19, 42, 107, 200, 254, 255)
"""Ids whose colours are looked at; if one is not AirSim's, all 256 are."""
_CAMERAS = ("0", "1", "2", "3", "4")
"""Looked through for colours, where the camera in use sees none."""
_TRIES = 3
_COLOURED = 8
"""Red and blue of a pixel that tells their order differ by more."""
_PIXELS = 16
_OBJECTS = 62
"""Most objects that are given ids: each look tells them apart by one bit more."""
_ONE, _OTHER = 1, 2
_MOST_IDS = 4096
"""Most ids whose colours are looked at."""
_HERE = NED(0.0, 0.0, 0.0)
_UNLABELLED = np.array([[0] * 3, [84] * 3, [149] * 3], np.uint8)
"""What Cosys shows where no object has a colour."""
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Measured:
    """What a server was found to do."""

    dialect: str
    bgr: bool
    """Order of raw pixels; else RGB."""
    bgr_seen: bool
    """False: nothing coloured was in sight, the dialect's order is taken."""
    palette: U8 | None = field(repr=False)
    """(256, 3) RGB of each id, read only; None with Cosys, whose colours are the objects'."""
    palette_seen: bool
    """False: no object was in sight, AirSim's palette is taken."""
    depth_precision: Precision
    """Of the depths that came so far."""

    def summary(self) -> dict[str, Any]:
        """As plain JSON; the palette as hexadecimal digits of its rows, None where it is AirSim's."""
        own = self.palette is not None and not np.array_equal(self.palette, static_palette())
        return {"dialect": self.dialect, "raw_pixels": "BGR" if self.bgr else "RGB",
                "depth_precision": self.depth_precision,
                "palette": self.palette.tobytes().hex() if own and self.palette is not None else None}


class Measuring:
    """Measurements of one connection, made when they are first needed. The client's lock is held by callers but for
    `bgr` and `note_depths`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known = Measured(client.dialect.name, client.dialect.bgr, False, None, False, "unknown")
        self._tries = self._palette_tries = 0
        self._reader: PaletteReader | None = None
        self._cosys_map = False
        self._world = ""

    def bgr(self, camera_name: str) -> bool:
        """True if raw pixels come as BGR."""
        if not self._known.bgr_seen and self._tries < _TRIES:
            with self._client.learning:
                self._measure_order(camera_name)
        return self._known.bgr

    def note_depths(self, images: Sequence[Image]) -> None:
        """Learn the precision of depths from images that came anyway."""
        if self._known.depth_precision == "unknown":
            for image in images:
                if image.image_type in (ImageType.DEPTH_PLANAR, ImageType.DEPTH_PERSPECTIVE):
                    self._known = replace(self._known, depth_precision=precision(image.pixels))

    def value(self, camera_name: str) -> Measured:
        """All of it; depths as far as they were seen."""
        self.bgr(camera_name)
        if self._known.dialect != "cosys" and not self._known.palette_seen and self._palette_tries < _TRIES:
            self._palette_tries += 1
            seen = measure_palette(self._client, camera_name, self._known.bgr)
            self._known = replace(self._known, palette=static_palette() if seen is None else seen,
                                  palette_seen=seen is not None)
        return self._known

    def reader(self, camera_name: str) -> PaletteReader:
        """Ids, or with Cosys classes, from the colours of segmentation images."""
        if self._reader is not None:
            return self._reader
        known = self.value(camera_name)
        if known.palette is None:
            reader, self._cosys_map = object_colours(self._client, camera_name, known.bgr, self._cosys_map)
        else:
            reader = PaletteReader(known.palette)
        if known.palette is None or known.palette_seen or self._palette_tries >= _TRIES:
            self._reader = reader
        return reader

    def forget_objects(self, change: tuple[Any, ...]) -> None:
        """Cosys' colours are those of a world's objects: look again after a change of them."""
        said = str(change[0]) if change else ""
        if self._known.dialect != "cosys" or (said.startswith("mage.") and not said.startswith("mage.load")):
            return
        if said != self._world or not said:
            self._world, self._reader = said, None

    def _measure_order(self, camera_name: str) -> None:
        if self._known.bgr_seen or self._tries >= _TRIES:
            return
        self._tries += 1
        for camera in (camera_name, *(other for other in _CAMERAS if other != camera_name)):
            answers = [_pixel_order(self._client, camera, kind) for kind in (ImageType.SEGMENTATION, ImageType.SCENE)]
            for bgr in answers:
                if isinstance(bgr, bool):
                    self._known = replace(self._known, bgr=bgr, bgr_seen=True)
                    return
            if answers == ["refused"] * 2:
                # no world yet: other cameras see no more
                return


def _pixel_order(client: Client, camera_name: str, image_type: int) -> bool | Literal["grey", "refused"]:
    try:
        bgr = pixel_order(client, camera_name, image_type)
    except SimulatorError:
        return "refused"
    return "grey" if bgr is None else bgr


def pixel_order(client: Client, camera_name: str, image_type: int) -> bool | None:
    """True if raw pixels come as BGR, False for RGB, None if the image has too little colour to tell: the same frame
    raw and as PNG, compared where red and blue differ. Raises SimulatorError."""
    requests = [replace(SCENE, image_type=image_type), replace(SCENE, image_type=image_type, compress=True)]
    raw, png = (image.pixels.astype(np.int16) for image in
                read_images(client.replies(camera_name, requests), requests, False, _HERE, None))
    told = np.abs(png[..., 0] - png[..., 2]) > _COLOURED
    if raw.shape != png.shape or np.count_nonzero(told) < min(_PIXELS, told.size):
        return None
    as_rgb, as_bgr = (float(np.abs(order[told] - png[told]).mean()) for order in (raw, raw[..., ::-1]))
    if min(as_rgb, as_bgr) > 0.5 * max(as_rgb, as_bgr):
        return None
    return as_bgr < as_rgb


def measure_palette(client: Client, camera_name: str, bgr: bool) -> U8 | None:
    """(256, 3) RGB of each id: objects in sight are given ids, and get back those that they had. None if none of 62 of
    them is in sight. At most 280 looks; where the palette is AirSim's and 4 of MAGE's groups are in sight, 9."""
    known = static_palette()
    found = _colours(client, camera_name, bgr, client.list_objects(), PROBED, dict(enumerate(_codes(known))))
    if found is None or all(found[number] == code for number, code in enumerate(_codes(known))):
        return None if found is None else known
    return _rgb([found[number] for number in range(len(known))])


def _colours(client: Client, camera_name: str, bgr: bool, names: Sequence[str], probed: Sequence[int],
             known: Mapping[int, int]) -> dict[int, int] | None:
    """Colour of each id of `known`: that one if those of `probed` are as it says, else all are looked at. None if
    nothing that may be given an id is in sight."""
    with _borrowed(client, names) as objects:
        seen = _in_sight(client, camera_name, bgr, objects)
        if not seen:
            return None
        found = _walk(client, camera_name, bgr, seen, probed)
        if all(colour == known[number] for number, colour in found.items()):
            return dict(known)
        return _walk(client, camera_name, bgr, seen, list(known)[:_MOST_IDS])


@contextlib.contextmanager
def _borrowed(client: Client, names: Sequence[str]) -> Iterator[list[str]]:
    """Those of some objects whose ids may be changed in this block. Of MAGE's worlds the groups: a building that was
    given the id that it had would keep it as a ruin."""
    chosen = [name for name in names if name in GROUPS] or names[::max(1, -(-len(names) // _OBJECTS))]
    had = {name: number for name, number in _ids(client, chosen).items() if number >= 0}
    try:
        yield list(had)
    finally:
        _set_ids(client, had)


def _ids(client: Client, names: Sequence[str]) -> dict[str, int]:
    """Ids of objects, -1 where there is none; AirSim and Colosseum know them by lower-case names."""
    exact = client.dialect.name == "cosys"
    futures = [client.submit("simGetSegmentationObjectID", mesh_name=name if exact else name.lower())
               for name in names]
    return {name: int(future.result()) for name, future in zip(names, futures, strict=True)}


def _set_ids(client: Client, ids: Mapping[str, int]) -> None:
    for future in [client.submit("simSetSegmentationObjectID", mesh_name=name, object_id=number, is_name_regex=False)
                   for name, number in ids.items()]:
        future.result()


def _look(client: Client, camera_name: str, bgr: bool) -> Codes:
    """(H*W,) colours of the segmentation image, each as one number."""
    (image,) = read_images(client.replies(camera_name, [SEGMENTATION]), [SEGMENTATION], bgr, _HERE, None)
    return np.array(_codes(image.pixels.reshape(-1, 3)), np.int32)


def _in_sight(client: Client, camera_name: str, bgr: bool, objects: Sequence[str]) -> dict[str, int]:
    """One pixel of each object in sight. All are given one id, then another: what changes is theirs; then each look
    tells one bit of the number of the object at every pixel."""
    def look(bits: Sequence[int]) -> Codes:
        _set_ids(client, {name: _OTHER if bit else _ONE for name, bit in zip(objects, bits, strict=True)})
        return _look(client, camera_name, bgr)

    count = len(objects)
    ones, others = look([0] * count), look([1] * count)
    number = np.zeros(len(ones), np.int64)
    theirs = ones != others
    for place in range(max(1, (count - 1).bit_length())):
        seen = look([index >> place & 1 for index in range(count)])
        number |= (seen == others).astype(np.int64) << place
        theirs &= (seen == ones) | (seen == others)
    pixels = {name: np.flatnonzero(theirs & (number == index)) for index, name in enumerate(objects)}
    return {name: int(where[len(where) // 2]) for name, where in pixels.items() if len(where)}


def _walk(client: Client, camera_name: str, bgr: bool, seen: Mapping[str, int],
          ids: Sequence[int]) -> dict[int, int]:
    """Colour of each id, shown by as many objects at once as are in sight."""
    found: dict[int, int] = {}
    for first in range(0, len(ids), len(seen)):
        some = dict(zip(seen, ids[first:first + len(seen)], strict=False))
        _set_ids(client, some)
        colours = _look(client, camera_name, bgr)
        found |= {number: int(colours[seen[name]]) for name, number in some.items()}
    return found


def object_colours(client: Client, camera_name: str, bgr: bool, trusted: bool) -> tuple[PaletteReader, bool]:
    """Classes by colour on Cosys: the colour of every object's index, and the class of MAGE's objects by their names
    (0 for others). trusted: the colour map was found to be Cosys' own; else a few colours are looked at, and all if
    one differs. Also whether it is to be trusted from now on. Raises FrameError if there are no objects."""
    names = [str(name) for name in client.ask("simListInstanceSegmentationObjects")]
    classes = {number: _class_of(name) for name, number in _ids(client, names).items() if 0 <= number < COLOURS}
    if not classes:
        raise FrameError("no objects have segmentation colours: load a world first")
    numbers = list(classes)
    known = dict(zip(numbers, _codes(colour_map()[numbers]), strict=True))
    if not trusted:
        seen = _colours(client, camera_name, bgr, names, numbers[::max(1, len(numbers) // 8)], known)
        known, trusted = seen or known, seen == known
    colours, found = _rgb([*known.values()]), [classes[number] for number in known]
    return PaletteReader(np.concatenate([_UNLABELLED, colours]), [0] * len(_UNLABELLED) + found), trusted


def _class_of(name: str) -> int:
    if name.startswith("mage_building_"):
        return CLASS_ID["building"]
    return GROUPS.get(name, 0)


def _codes(rgb: U8) -> list[int]:
    """(N, 3) colours as numbers."""
    wide = rgb.astype(np.int32)
    codes: list[int] = ((wide[:, 0] << 16) | (wide[:, 1] << 8) | wide[:, 2]).tolist()
    return codes


def _rgb(codes: Sequence[int]) -> U8:
    """(N, 3) colours of numbers."""
    wide = np.array(codes, np.int32)
    return np.stack([wide >> 16, wide >> 8 & 255, wide & 255], axis=1).astype(np.uint8)
