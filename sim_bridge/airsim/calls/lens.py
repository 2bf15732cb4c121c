"""Lens and film: Unreal's cine camera as AirSim shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sim_bridge.airsim.calls.images import camera
from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.embedded import lens as lenses
from sim_bridge.embedded.lens import FILMBACKS, LENSES, Lens

_ANGLE = "changes the angle that simGetCameraInfo says, not the images, as in AirSim since 1.8.1"
_SHARP = "kept and said; pictures are sharp at every distance"


def _lens(context: Context, camera_name: str, vehicle_name: str, external: bool) -> Lens:
    ref = camera(context, camera_name, vehicle_name, external)
    return lenses.lens_of(context.simulator.state, context.simulator.config, ref)


def _change(context: Context, camera_name: str, vehicle_name: str, external: bool,
            step: Callable[[Lens], Lens]) -> Lens:
    ref = camera(context, camera_name, vehicle_name, external)
    return lenses.change(context.simulator, ref, lambda was: step(was).within())


@rpc("simGetPresetLensSettings")
def get_preset_lens_settings(context: Context, camera_name: str, vehicle_name: str,
                             external: bool = False) -> list[str]:
    camera(context, camera_name, vehicle_name, external)
    return lenses.lens_presets()


@rpc("simGetLensSettings")
def get_lens_settings(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> str:
    return lenses.lens_text(_lens(context, camera_name, vehicle_name, external))


@rpc("simSetPresetLensSettings", note=f"{_ANGLE}; unknown names are ignored")
def set_preset_lens_settings(context: Context, preset_lens_settings: str, camera_name: str, vehicle_name: str,
                             external: bool = False) -> None:
    _change(context, camera_name, vehicle_name, external,
            lambda was: replace(was, glass=LENSES.get(preset_lens_settings, was.glass)))


@rpc("simGetPresetFilmbackSettings")
def get_preset_filmback_settings(context: Context, camera_name: str, vehicle_name: str,
                                 external: bool = False) -> list[str]:
    camera(context, camera_name, vehicle_name, external)
    return lenses.film_presets()


@rpc("simSetPresetFilmbackSettings", note=f"{_ANGLE}; unknown names are ignored")
def set_preset_filmback_settings(context: Context, preset_filmback_settings: str, camera_name: str, vehicle_name: str,
                                 external: bool = False) -> None:
    _change(context, camera_name, vehicle_name, external,
            lambda was: replace(was, sensor_mm=FILMBACKS.get(preset_filmback_settings, was.sensor_mm)))


@rpc("simGetFilmbackSettings")
def get_filmback_settings(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> str:
    return lenses.film_text(_lens(context, camera_name, vehicle_name, external))


@rpc("simSetFilmbackSettings", note=_ANGLE)
def set_filmback_settings(context: Context, width: float, heigth: float, camera_name: str, vehicle_name: str,
                          external: bool = False) -> float:
    for side in (width, heigth):
        if not lenses.SMALLEST_MM <= side <= lenses.LARGEST_MM:
            raise ValueError(f"sensor side of {side} mm is not in {lenses.SMALLEST_MM:g}..{lenses.LARGEST_MM:g}")
    return _change(context, camera_name, vehicle_name, external,
                   lambda was: replace(was, sensor_mm=(width, heigth))).aspect


@rpc("simGetFocalLength")
def get_focal_length(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> float:
    return _lens(context, camera_name, vehicle_name, external).focal_mm


@rpc("simSetFocalLength", note=_ANGLE)
def set_focal_length(context: Context, focal_lenght: float, camera_name: str, vehicle_name: str,
                     external: bool = False) -> None:
    _change(context, camera_name, vehicle_name, external, lambda was: replace(was, focal_mm=focal_lenght))


@rpc("simEnableManualFocus", note=_SHARP)
def enable_manual_focus(context: Context, enable: bool, camera_name: str, vehicle_name: str,
                        external: bool = False) -> None:
    _change(context, camera_name, vehicle_name, external, lambda was: replace(was, manual_focus=enable))


@rpc("simGetFocusDistance")
def get_focus_distance(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> float:
    return _lens(context, camera_name, vehicle_name, external).focus_cm


@rpc("simSetFocusDistance", note=_SHARP)
def set_focus_distance(context: Context, focus_distance: float, camera_name: str, vehicle_name: str,
                       external: bool = False) -> None:
    _change(context, camera_name, vehicle_name, external, lambda was: replace(was, focus_cm=focus_distance))


@rpc("simGetFocusAperture")
def get_focus_aperture(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> float:
    return _lens(context, camera_name, vehicle_name, external).aperture


@rpc("simSetFocusAperture", note=_SHARP)
def set_focus_aperture(context: Context, focus_aperture: float, camera_name: str, vehicle_name: str,
                       external: bool = False) -> None:
    _change(context, camera_name, vehicle_name, external, lambda was: replace(was, aperture=focus_aperture))


@rpc("simEnableFocusPlane", note="kept; it shows on an engine's screen only")
def enable_focus_plane(context: Context, enable: bool, camera_name: str, vehicle_name: str,
                       external: bool = False) -> None:
    _change(context, camera_name, vehicle_name, external, lambda was: replace(was, focus_plane=enable))


@rpc("simGetCurrentFieldOfView")
def get_current_field_of_view(context: Context, camera_name: str, vehicle_name: str, external: bool = False) -> str:
    return lenses.angles_text(_lens(context, camera_name, vehicle_name, external))
