"""Errors, grouped by what a handler does about them: fix the input, retry, or give up.

Every message is one line and names the value, what was expected, and the next step. `kind` is stable: handlers and
logs compare it, never the text.
"""

from __future__ import annotations


class MageError(Exception):
    """Base of all errors that MAGE raises on purpose."""

    kind = "error"


class InputError(MageError):
    """Fix the input: a file, a folder, a setting or an argument is not what was expected."""

    kind = "input"


class SimulatorError(MageError):
    """Give up on this call: the simulator answered with an error of its own."""

    kind = "simulator-error"


class SimulatorGone(MageError):
    """Retry: (re)start the simulator, then run the unit again."""

    kind = "simulator-gone"


class StaleFrame(MageError):
    """Retry: the simulator sent a frame that was not taken where it was asked for."""

    kind = "stale-frame"


class DeadlinePassed(SimulatorGone):
    """Retry later: the simulator did not answer before the call's deadline; the connection may still be used."""

    kind = "deadline"


class UnknownServer(SimulatorError):
    """Give up: what answers is no AirSim server, or one of a version that is not known."""

    kind = "unknown-server"


class FrameError(SimulatorError):
    """Retry, then give up: images came that are not what was asked for."""

    kind = "frame"


class EmptyImage(FrameError):
    """An image without pixels; the simulator's own message says why, if it knows."""

    kind = "empty-image"


class WrongCount(FrameError):
    """Not one image for each request."""

    kind = "wrong-image-count"


class WrongType(FrameError):
    """An image of another type, or a float image where colours were asked for."""

    kind = "wrong-image-type"


class WrongSize(FrameError):
    """An image of another size than asked for, or data that do not fill the size that it claims."""

    kind = "wrong-image-size"


class NonFinitePose(FrameError):
    """The pose of an image, a camera or a vehicle holds a number that is not finite."""

    kind = "non-finite-pose"


class NonFiniteDepth(FrameError):
    """A depth image holds numbers that are no distances: not a number, or negative."""

    kind = "non-finite-depth"


class StoreError(MageError):
    """Give up: the store on disk cannot be read or written as it is."""

    kind = "store"
