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


class StoreError(MageError):
    """Give up: the store on disk cannot be read or written as it is."""

    kind = "store"
