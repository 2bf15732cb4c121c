"""From a decoded request to a packed reply: arity, types, AirSim's literal error strings.

Source: AirSim AirLib/src/api/RpcLibServerBase.cpp and rpclib's dispatcher; protocol reference, section 6.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sim_bridge.airsim.calls import CALLS
from sim_bridge.airsim.calls.registry import Call, Context
from sim_bridge.airsim.dialects import Signature, signatures
from sim_bridge.airsim.messages import pack_response
from sim_bridge.airsim.structs import Codec
from sim_bridge.errors import MageError
from sim_bridge.frames import NED, NedPose, Quaternion

_log = logging.getLogger(__name__)

_NAME_CHARACTERS = 80
_FARTHEST_M = 1e9
NAN_ALLOWED = ("simSetObjectPose",)
"""Scripts hand back the pose of an object that does not exist."""

HEAVY = frozenset({
    "simGetImages", "simGetImage", "simRunConsoleCommand", "simLoadLevel", "simGetDetections", "simCreateVoxelGrid",
    "simGetMeshPositionVertexBuffers", "getLidarData", "getGPULidarData", "getEchoData", "simGetWorldExtents",
})
"""Calls that may take long, and so wait for each other and not for or before the rest."""
PROMPT = frozenset({
    "simPause", "simContinueForTime", "simContinueForFrames", "cancelLastTask", "enableApiControl", "armDisarm",
    "simSetVehiclePose", "simSetKinematics", "setCarControls", "takeoff", "land", "goHome", "hover", "moveToPosition",
    "moveToZ", "moveToGPS", "moveOnPath", "moveByVelocity", "moveByVelocityZ", "moveByVelocityBodyFrame",
    "moveByVelocityZBodyFrame", "moveByManual", "moveByRC", "rotateToYaw", "rotateByYawRate", "moveByMotorPWMs",
    "moveByRollPitchYawZ", "moveByRollPitchYawThrottle", "moveByRollPitchYawrateThrottle", "moveByRollPitchYawrateZ",
    "moveByAngleRatesZ", "moveByAngleRatesThrottle",
})
"""Calls that move vehicles and time: begun in the order in which a connection sends them, or a flight in lock-step
would depend on which worker is the first."""
_SAID_CHARACTERS = 4000


@dataclass(frozen=True)
class Pending:
    """A call whose task takes its time: `reply(task)` packs what is sent when it is done, from any thread."""

    task: Future[Any]
    reply: Callable[[Future[Any]], bytes]


class RpcError(Exception):
    """What the caller is told, literally."""


class Dispatcher:
    """The RPCs of one dialect and mode over one simulator."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._codec = Codec(context.dialect.name, context.dialect.arrays)
        self._bound = signatures(context.dialect.name, context.simulator.config.mode)

    def answer(self, message: object) -> bytes | Pending:
        """The packed reply to one message, or the task that it waits for. Never raises.

        Notifications and, as rpclib does, what is no request at all are not answered: b"" says so.
        """
        if not isinstance(message, list) or len(message) not in (3, 4):
            return b""
        msgid = message[1] if len(message) == 4 and type(message[1]) is int else None
        name, args = message[-2] if isinstance(message[-2], str) else "", message[-1]
        try:
            signature, call = self._find(name, args)
            result = call.run(self._context, **self._arguments(signature, args))
        except Exception as error:
            return _packed(msgid, _said(name, args, error), None)
        if isinstance(result, Future):
            return Pending(result, lambda done: self._finish(msgid, signature, args, done))
        return self._pack(msgid, signature, args, result)

    def _find(self, name: str, args: object) -> tuple[Signature, Call]:
        shown = name[:_NAME_CHARACTERS]
        if not isinstance(args, list):
            raise RpcError(f"rpclib: arguments of '{shown}' are not an array.")
        if name not in self._bound:
            raise RpcError(f"rpclib: server could not find function '{shown}' with argument count {len(args)}.")
        signature = self._bound[name]
        if len(args) != len(signature.args):
            # rpclib swaps the two numbers
            raise RpcError(f"rpclib: client error C0002: Function '{name}' was called with an invalid number of "
                           f"arguments. Expected: {len(args)}, got: {len(signature.args)}")
        if name not in CALLS:
            raise ValueError(f"{name} is not implemented by MAGE's embedded simulator, see docs/airsim-coverage.md")
        return signature, CALLS[name]

    def _arguments(self, signature: Signature, args: list[Any]) -> Mapping[str, Any]:
        values = {name: self._codec.decode(kind, value)
                  for (name, kind), value in zip(signature.args, args, strict=True)}
        if signature.name not in NAN_ALLOWED:
            for name, value in values.items():
                if not _is_finite(value):
                    raise ValueError(f"{name} of {signature.name} is not a finite number")
        return values

    def _finish(self, msgid: int | None, signature: Signature, args: list[Any], done: Future[Any]) -> bytes:
        if done.cancelled():
            return self._pack(msgid, signature, args, False)
        if error := done.exception():
            return _packed(msgid, _said(signature.name, args, error), None)
        return self._pack(msgid, signature, args, done.result())

    def _pack(self, msgid: int | None, signature: Signature, args: list[Any], result: Any) -> bytes:
        try:
            return _packed(msgid, None, self._codec.plain(signature.returns, result))
        except Exception as error:
            return _packed(msgid, _said(signature.name, args, error), None)


def _packed(msgid: int | None, error: str | None, result: Any) -> bytes:
    return b"" if msgid is None else pack_response(msgid, error, result)


def _said(name: str, args: object, error: BaseException) -> str:
    """rpclib's words for what a call ended with."""
    if isinstance(error, RpcError):
        return str(error)
    known = isinstance(error, (ValueError, OverflowError, OSError, MageError))
    if not known:
        _log.error("%s failed", name, exc_info=error)
    count = len(args) if isinstance(args, list) else 0
    return (f"rpclib: function '{name[:_NAME_CHARACTERS]}' (called with {count} arg(s)) threw an exception. The "
            f"exception contained this information: {_text(error) if known else type(error).__name__}.")


def _text(error: BaseException) -> str:
    """Its text, not longer than anyone reads, and such that it can be sent: file names may hold lone surrogates. Of the
    system's errors only what went wrong: the server's paths are its own."""
    text = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
    return text[:_SAID_CHARACTERS].encode("utf-8", "replace").decode()


def _is_finite(value: Any) -> bool:
    """False for a number, vector or pose that holds one which is not finite, or is farther away than any world."""
    if isinstance(value, NedPose):
        return _is_finite(value.position) and _is_finite(value.orientation)
    if isinstance(value, NED):
        return all(math.isfinite(v) and abs(v) < _FARTHEST_M for v in (value.north, value.east, value.down))
    if isinstance(value, Quaternion):
        return math.isfinite(value.w + value.x + value.y + value.z)
    if isinstance(value, list):
        return all(_is_finite(entry) for entry in value)
    if isinstance(value, dict):
        return all(_is_finite(entry) for entry in value.values())
    return not isinstance(value, float) or math.isfinite(value)
