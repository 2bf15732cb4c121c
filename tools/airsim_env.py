"""Virtual environments in which the unmodified official clients work: `airsim` 1.8.1 and `cosysairsim` 3.5.0.

A plain `pip install airsim` fails: its setup imports the package, its RPC library needs releases of tornado and msgpack
from 2017, and it calls what numpy 2 removed. The two clients cannot share an environment either: both bring a module
`msgpackrpc`. So each gets its own, with every version pinned.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sim_bridge.errors import InputError, MageError
from sim_bridge.spec import Layout, SceneSpec
from sim_bridge.world.package import build_package

ClientName = Literal["airsim", "cosys"]
Say = Callable[[str], None]
PYTHONS = ((3, 11), (3, 12), (3, 10))
"""Versions for which numpy 1.26 has wheels and the clients were seen to work, the preferred one first."""
_NUMPY, _OPENCV, _SCIPY = "numpy==1.26.4", "opencv-python-headless==4.11.0.86", "scipy==1.15.3"
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20", "install")
_CHECK = Path(__file__).with_name("airsim_check.py")
_MARK = "mage-airsim-env"
"""File of an environment that names its client."""
_SAID = re.compile(r"Downloading |Building wheel for .* started")


@dataclass(frozen=True)
class Recipe:
    """What pip is told for a client: steps of options and pinned packages, in order."""

    module: str
    steps: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    @property
    def pins(self) -> tuple[str, ...]:
        return tuple(pin for _, pins in self.steps for pin in pins)


def recipe_of(client: ClientName, scipy: bool = False) -> Recipe:
    """How to install a client; `scipy` for the example scripts that import it."""
    common = (_NUMPY, _OPENCV, *([_SCIPY] if scipy else []))
    if client == "cosys":
        return Recipe("cosysairsim", (
            ((), common),
            ((), ("msgpack==1.2.4", "tornado==6.5.2", "rpc-msgpack==0.6")),
            (("--no-deps",), ("cosysairsim==3.5.0",))))
    return Recipe("airsim", (
        # the last build tools with pkg_resources; tornado 4.5 imports backports from Python 3.12 on
        ((), (*common, "setuptools==80.9.0", "wheel==0.45.1", "backports.ssl_match_hostname==3.7.0.1")),
        (("--no-build-isolation",), ("tornado==4.5.3", "msgpack-python==0.5.6", "msgpack-rpc-python==0.4.1")),
        (("--no-build-isolation", "--no-deps"), ("airsim==1.8.1",))))


def make_env(folder: Path, client: ClientName, *, scipy: bool = False, python: str | None = None,
             say: Say = lambda line: None) -> Path:
    """The Python executable of an environment with an official client: made, or repaired, or as it is if intact.

    Several processes may ask for one folder at once: one makes it, the others wait. `python` is the interpreter to make
    it with (default: this one, or another one on PATH if this one is too new). Raises InputError if there is none, the
    folder holds something else, or pip cannot get the packages.
    """
    folder, recipe = folder.absolute(), recipe_of(client, scipy)
    with _alone(folder, say):
        _check_folder(folder, client)
        executable = folder / "bin" / "python"
        if not _runs(executable):
            _make_venv(folder, client, _interpreter(python), say)
        _install(executable, recipe, folder, say)
    return executable


def check_env(executable: Path, client: ClientName, say: Say = lambda line: None) -> None:
    """Use the client of an environment on a simulator of ours, started for it over a small world.

    Raises MageError with what the client said if anything is not as it should be.
    """
    module = recipe_of(client).module
    say(f"checking {module} against a `mage serve --dialect {client}` of our own")
    with tempfile.TemporaryDirectory() as folder:
        spec = SceneSpec(seed=1, layout=Layout(size_m=120.0))
        build_package(Path(folder), spec)
        with _serving(Path(folder), client) as port:
            done = subprocess.run([executable, "-I", _CHECK, module, str(port), spec.world_id], capture_output=True,
                                  text=True, check=False)
    for line in filter(None, done.stdout.splitlines()):
        say(f"  {line}")
    if done.returncode:
        raise MageError(f"{executable}: {module} is installed and does not work ({_last_line(done.stderr)}): remove "
                        "the environment and make it again")


@contextlib.contextmanager
def _serving(world_root: Path, client: ClientName) -> Iterator[int]:
    command = [sys.executable, "-m", "sim_bridge.airsim.server", "--world-root", str(world_root), "--port", "0",
               "--width", "256", "--height", "144", "--samples", "1", "--dialect", client, "--stop-on-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = (server.stdout or io.StringIO()).readline()
            if "port=" not in line:
                raise MageError("`mage serve` did not start: run it by hand to see why, or pass --no-check")
            yield int(line.rpartition("port=")[2])
        finally:
            server.kill()


def usage(folder: Path, client: ClientName) -> str:
    """What to type to use an environment, as lines of text."""
    module = recipe_of(client).module
    kind = "ComputerVisionClient" if client == "cosys" else "VehicleClient"
    return "\n".join([
        "use it:",
        f"  mage serve --world-root <folder of worlds> --dialect {client}    # in one terminal",
        f"  source {shlex.quote(str(folder / 'bin' / 'activate'))}    # in another",
        "  python",
        f"  >>> import {module}",
        f"  >>> client = {module}.{kind}()",
        "  >>> client.confirmConnection()",
        "  >>> client.simRunConsoleCommand('mage.load <world id>')",
        f"  >>> client.simGetImages([{module}.ImageRequest('0', {module}.ImageType.Scene, False, False)])"])


@contextlib.contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    # the lock lives outside: a broken environment is emptied and made again
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"mage-airsim-env-{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is making this environment: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_folder(folder: Path, client: ClientName) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: expected a folder to make an environment in, name another one")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    mark = folder / _MARK
    if not mark.is_file():
        raise InputError(f"{folder} is in use by something else: name an empty folder, or one that this command made")
    if mark.is_file() and (found := mark.read_text(encoding="utf-8")) != client:
        raise InputError(f"{folder} is an environment of the {found} client: the two exclude each other, name another "
                         "folder")


def _interpreter(python: str | None) -> str:
    wanted = " or ".join(f"{major}.{minor}" for major, minor in sorted(PYTHONS))
    if python is not None:
        found = _version(python)
        if found not in PYTHONS:
            what = "cannot be run" if found is None else f"is Python {found[0]}.{found[1]}"
            raise InputError(f"--python {python} {what}: expected Python {wanted}, which the clients work with")
        return python
    names = [sys.executable, *(f"python{major}.{minor}" for major, minor in PYTHONS)]
    for name in names:
        if _version(name) in PYTHONS:
            return name
    raise InputError(f"no Python {wanted} found, which the clients need: install one and name it with --python")


def _version(python: str) -> tuple[int, int] | None:
    try:
        out = _output(python, "import sys; print(*sys.version_info[:2])")
        major, minor = (int(part) for part in (out or "").split())
    except ValueError:
        return None
    return major, minor


def _output(python: str | Path, code: str) -> str | None:
    """Standard output of a piece of code in an interpreter; None if that fails."""
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _runs(executable: Path) -> bool:
    code = "import sys, pip; assert sys.prefix != sys.base_prefix"
    return executable.is_file() and _output(executable, code) is not None


def _make_venv(folder: Path, client: ClientName, python: str, say: Say) -> None:
    say(f"making {folder} with {python}")
    try:
        for path in folder.iterdir() if folder.is_dir() else ():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        # first of all, so that a half-made environment is known as ours
        (folder / _MARK).write_text(client, encoding="ascii")
        done = subprocess.run([python, "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}): name another folder") from error
    if done.returncode:
        raise InputError(f"{folder}: {python} cannot make it ({_last_line(done.stdout + done.stderr)}): is the folder "
                         "writable, and python3-venv installed?")


def _install(executable: Path, recipe: Recipe, folder: Path, say: Say) -> None:
    sound = _imports(executable, recipe)
    again = () if sound or _missing(executable, recipe.pins) else ("--force-reinstall",)
    for number, (options, pins) in enumerate(recipe.steps, 1):
        if not again and not _missing(executable, pins):
            continue
        say(f"step {number} of {len(recipe.steps)}: {', '.join(pins)}")
        _pip(executable, [*options, *again, *pins], folder / "mage-pip.log", say)
        sound = False
    if not sound and not _imports(executable, recipe):
        raise InputError(f"{folder}: {recipe.module} was installed and cannot be imported: remove the folder and run "
                         f"this again; pip's output is in {folder / 'mage-pip.log'}")


def _missing(executable: Path, pins: Sequence[str]) -> list[str]:
    names = [pin.partition("==")[0] for pin in pins]
    code = ("import json; from importlib import metadata\n"
            "def version(name):\n"
            "    try: return metadata.version(name)\n"
            "    except metadata.PackageNotFoundError: return None\n"
            f"print(json.dumps({{name: version(name) for name in {names!r}}}))")
    out = _output(executable, code)
    found: dict[str, Any] = json.loads(out) if out else {}
    return [pin for pin, name in zip(pins, names, strict=True) if found.get(name) != pin.partition("==")[2]]


def _imports(executable: Path, recipe: Recipe) -> bool:
    return _output(executable, f"import numpy, cv2, msgpackrpc, {recipe.module} as m; m.VehicleClient") is not None


def _pip(executable: Path, arguments: Sequence[str], log: Path, say: Say) -> None:
    """Run pip, say what it fetches, and keep all it prints. Raises InputError if it fails."""
    with log.open("a", encoding="utf-8") as kept, subprocess.Popen(
            [executable, *_PIP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        lines = []
        for line in pip.stdout or ():
            kept.write(line)
            lines.append(line.strip())
            if _SAID.match(line.strip()):
                say(f"  {line.strip()}")
    if pip.returncode:
        raise InputError(_why(lines, log))


def _why(lines: Sequence[str], log: Path) -> str:
    text = "\n".join(lines)
    if "No space left" in text:
        return f"{log.parent}: no space left on the disk: free some and run this again, it goes on from here"
    network = ("NewConnectionError", "Temporary failure in name resolution", "ConnectTimeoutError", "ReadTimeoutError",
               "ProxyError", "NameResolutionError", "Network is unreachable")
    if any(word in text for word in network):
        return "the package index cannot be reached: check the network and run this again, it goes on from here"
    errors = [line for line in lines if line.startswith("ERROR:")] or list(lines)
    return f"pip failed ({errors[-1] if errors else 'without a word'}): its output is in {log}"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1]
