"""Lens and film of a camera, after Unreal's CineCamera: what AirSim's sixteen calls set, clamp and say.

The field of view follows from focal length and film, and the other way round. As in AirSim since 1.8.1, images keep the
angle of `simSetCameraFov` and the settings whatever the lens says. Focus and aperture are kept and said: pictures are
sharp at every distance. Sources: AirSim PIPCamera.cpp; Unreal's CineCamera documentation and its default presets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sim_bridge.embedded.cameras import CameraRef, camera_of, fov_deg, view_of
from sim_bridge.embedded.config import SimulatorConfig
from sim_bridge.embedded.simulator import Simulator
from sim_bridge.embedded.state import State

_KEY = "lens"
SMALLEST_MM, LARGEST_MM = 1e-3, 1e6
"""Of a sensor's side."""
FARTHEST_CM = 1e9


@dataclass(frozen=True)
class Glass:
    """What a lens can do: focal lengths (mm), apertures (f-stops), blades, nearest focus (mm)."""

    focal_mm: tuple[float, float]
    stops: tuple[float, float]
    blades: int = 7
    nearest_mm: float = 15.0


LENSES: Mapping[str, Glass] = {
    "12mm Prime f/2.8": Glass((12, 12), (2.8, 22)), "30mm Prime f/1.4": Glass((30, 30), (1.4, 22)),
    "50mm Prime f/1.8": Glass((50, 50), (1.8, 22)), "85mm Prime f/1.8": Glass((85, 85), (1.8, 22)),
    "105mm Prime f/2": Glass((105, 105), (2, 22)), "200mm Prime f/2": Glass((200, 200), (2, 22)),
    "24-70mm Zoom f/2.8": Glass((24, 70), (2.8, 22)), "70-200mm Zoom f/2.8": Glass((70, 200), (2.8, 22)),
    "Universal Zoom": Glass((4, 1000), (1.2, 22)),
}
FILMBACKS: Mapping[str, tuple[float, float]] = {
    "16:9 Film": (24.0, 13.5), "16:9 Digital Film": (23.76, 13.365), "16:9 DSLR": (36.0, 20.25),
    "Super 8mm": (5.79, 4.01), "Super 16mm": (12.52, 7.58), "Super 35mm": (24.89, 18.66),
    "35mm Academy": (21.946, 16.002), "35mm Full Aperture": (24.892, 18.9121), "35mm VistaVision": (37.719, 25.146),
    "IMAX 70mm": (70.41, 56.63), "APS-C (Canon)": (22.2, 14.8), "Full Frame DSLR": (36.0, 24.0),
    "Micro Four Thirds": (17.3, 13.0),
}
"""Width and height of the sensor, mm."""


@dataclass(frozen=True)
class Lens:
    """Lens and film of one camera as they are set."""

    focal_mm: float
    glass: Glass = LENSES["Universal Zoom"]
    sensor_mm: tuple[float, float] = FILMBACKS["16:9 Digital Film"]
    aperture: float = 2.8
    focus_cm: float = 100_000.0
    manual_focus: bool = False
    focus_plane: bool = False

    @property
    def fov_deg(self) -> float:
        """Across the sensor's width."""
        return _angle_deg(self.sensor_mm[0], self.focal_mm)

    @property
    def upright_fov_deg(self) -> float:
        return _angle_deg(self.sensor_mm[1], self.focal_mm)

    @property
    def aspect(self) -> float:
        return self.sensor_mm[0] / self.sensor_mm[1]

    def seeing(self, angle_deg: float) -> Lens:
        """With the focal length that gives an angle across the width, be it one that the lens does not have."""
        return replace(self, focal_mm=self.sensor_mm[0] / 2 / math.tan(math.radians(angle_deg) / 2))

    def within(self) -> Lens:
        """With all that the lens cannot do brought to what it can."""
        low, high = self.glass.focal_mm
        widest, narrowest = self.glass.stops
        return replace(self, focal_mm=min(max(self.focal_mm, low), high),
                       aperture=min(max(self.aperture, widest), narrowest),
                       focus_cm=min(max(self.focus_cm, self.glass.nearest_mm / 10), FARTHEST_CM))


def lens_of(state: State, config: SimulatorConfig, ref: CameraRef) -> Lens:
    """The lens of a camera; until something is set, one that sees what the camera's images show."""
    kept: Mapping[CameraRef, Lens] = state.extra.get(_KEY, {})
    return kept.get(ref) or Lens(1.0).seeing(fov_deg(view_of(config, camera_of(state, ref), 0)))


def change(simulator: Simulator, ref: CameraRef, step: Callable[[Lens], Lens]) -> Lens:
    """Replace the lens of a camera by what `step` makes of it; returns the new one."""
    def changed(state: State) -> State:
        lens = step(lens_of(state, simulator.config, ref))
        return replace(state, extra={**state.extra, _KEY: {**state.extra.get(_KEY, {}), ref: lens}})
    kept: Mapping[CameraRef, Lens] = simulator.change(changed).extra[_KEY]
    return kept[ref]


def lens_presets() -> list[str]:
    return [f"Name: {name};\n\t MinFocalLength: {glass.focal_mm[0]:g}; \t MaxFocalLength: {glass.focal_mm[1]:g}"
            f"\n\t Min FStop: {glass.stops[0]:g}; \t Max Fstop: {glass.stops[1]:g}" for name, glass in LENSES.items()]


def lens_text(lens: Lens) -> str:
    glass = lens.glass
    name = next((name for name, preset in LENSES.items() if preset == glass), "")
    return (f"Name: {name};\n\t MinFocalLength: {glass.focal_mm[0]:g}; \t MaxFocalLength: {glass.focal_mm[1]:g}"
            f"\n\t Min FStop: {glass.stops[0]:g}; \t Max Fstop: {glass.stops[1]:g}"
            f"\n\t Diaphragm Blade Count: {glass.blades}\n\t Minimum focus distance: {glass.nearest_mm:g}")


def film_presets() -> list[str]:
    return [_film(name, *sides) for name, sides in FILMBACKS.items()]


def film_text(lens: Lens) -> str:
    name = next((name for name, sides in FILMBACKS.items() if sides == lens.sensor_mm), "")
    return _film(name, *lens.sensor_mm)


def angles_text(lens: Lens) -> str:
    return (f"Current Field Of View:\n\tHorizontal Field Of View: {lens.fov_deg:g};"
            f"\n\t Vertical Field Of View: {lens.upright_fov_deg:g}")


def _film(name: str, width_mm: float, height_mm: float) -> str:
    return (f"Name: {name};\n\t Sensor Width: {width_mm:g}; \t Sensor Height: {height_mm:g}"
            f"\n\t Sensor Aspect Ratio: {width_mm / height_mm:g}")


def _angle_deg(side_mm: float, focal_mm: float) -> float:
    return 2 * math.degrees(math.atan2(side_mm, 2 * focal_mm))
