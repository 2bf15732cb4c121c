"""Simulated time in whole steps: behind the wall clock, or as fast as the machine can, or one call at a time."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from sim_bridge.embedded.dynamics import STEPS_PER_S

_log = logging.getLogger(__name__)

STEPPED_START_NS = 1_600_000_000_000_000_000
"""Where time starts that does not follow the wall clock: a fixed instant (2020-09-13), so that two runs are alike."""
CHUNK = STEPS_PER_S // 50
"""Steps between two commands of a task; what is done between two looks at the world."""
LONGEST_S = 86_400.0
"""What one continue call may ask for."""
_WAKE_S = 0.01
_BEHIND_S = 0.25
"""What the clock may lag behind the wall before it gives up catching up, in seconds of the wall."""


class Clock:
    """Runs `advance(steps)` in a thread of its own while time passes; all that moves is read and changed under
    `held()`. `steppable`: time passes only while `busy()` says that something has to be done."""

    def __init__(self, speed: float, steppable: bool, advance: Callable[[int], None], busy: Callable[[], bool]) -> None:
        self._speed, self._steppable, self._advance, self._busy = speed, steppable, advance, busy
        self._changed = threading.Condition()
        self._wanting: deque[None] = deque()
        self._done: list[Callable[[], None]] = []
        self._start_ns = STEPPED_START_NS if steppable else time.time_ns()
        self.steps = 0
        """Passed so far."""
        self._left: int = 0
        self._left_future: Future[None] | None = None
        self._paused = self._closed = False
        self._wall = (time.monotonic(), 0)
        self._thread: threading.Thread | None = None

    @property
    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._start_ns + self.steps * 1_000_000_000 // STEPS_PER_S

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return self.steps / STEPS_PER_S

    @contextmanager
    def held(self) -> Iterator[None]:
        """No time passes within; wakes the clock at the end."""
        self._wanting.append(None)
        try:
            with self._changed:
                self._wanting.pop()
                try:
                    yield
                finally:
                    self._changed.notify_all()
        finally:
            self._tell()

    def later(self, tell: Callable[[], None]) -> None:
        """Call `tell` when nothing is held any more: for what runs other people's code. Only under `held()`."""
        self._done.append(tell)

    def start(self) -> None:
        """Let time pass."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="simulated time")
        self._thread.start()

    def close(self) -> None:
        """Stop for good; a continue call that waits ends."""
        with self.held():
            self._closed = True
            self._end_continue()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def pause(self, paused: bool) -> None:
        """Stop or go on; ends a continue call. Only under `held()`."""
        self._end_continue()
        self._paused = paused
        self._follow_wall()

    def continue_for(self, seconds: float) -> Future[None]:
        """Let that much time pass, to the nearest whole step, as fast as can be, and pause. Only under `held()`.

        Raises ValueError for what is negative or more than LONGEST_S.
        """
        if not 0 <= seconds <= LONGEST_S:
            raise ValueError(f"continue for {seconds} s: expected 0 to {LONGEST_S:g} s")
        self._end_continue()
        self._paused, self._left = True, max(1, round(seconds * STEPS_PER_S)) if seconds else 0
        done = self._left_future = Future[None]()
        if not self._left:
            self._end_continue()
        return done

    @property
    def paused(self) -> bool:
        """Whether time stands still until a call lets it go on."""
        return self._paused and not self._left

    def _end_continue(self) -> None:
        done, self._left_future, self._left = self._left_future, None, 0
        if done is not None:
            self._done.append(lambda: done.set_result(None))

    def _follow_wall(self) -> None:
        self._wall = (time.monotonic(), self.steps)

    def _due(self) -> int:
        """Steps to do now: never beyond the next multiple of CHUNK."""
        ahead = CHUNK - self.steps % CHUNK
        if self._left:
            return min(self._left, ahead)
        if self._paused:
            return 0
        if self._steppable:
            return ahead if self._busy() else 0
        since, steps = self._wall
        passed_s = time.monotonic() - since
        due = steps + math.floor(passed_s * self._speed * STEPS_PER_S) - self.steps
        if due > _BEHIND_S * self._speed * STEPS_PER_S + CHUNK:
            self._follow_wall()
        return min(max(due, 0), ahead)

    def _run(self) -> None:
        while not self._closed:
            with self._changed:
                steps = self._due()
                if steps and not self._closed:
                    self._step(steps)
                else:
                    self._changed.wait(None if self._steppable or self._paused else _WAKE_S)
            self._tell()
            if self._wanting:
                # locks are not fair: without this, who waits for one would wait until all is done
                time.sleep(1e-4)

    def _step(self, steps: int) -> None:
        continued = self._left > 0
        self.steps += steps
        self._left = max(0, self._left - steps)
        try:
            self._advance(steps)
        except Exception:
            _log.exception("simulated time went on without its vehicles")
        if continued and not self._left:
            self._end_continue()
            self._follow_wall()

    def _tell(self) -> None:
        while self._done:
            try:
                tell = self._done.pop(0)
            except IndexError:
                return
            tell()
