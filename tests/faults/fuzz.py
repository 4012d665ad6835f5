"""Give changed files to every reader: bytes of valid files are flipped, cut, repeated and exchanged.

A child reads many inputs, each within ten seconds and all within a limit of memory; one that dies or hangs
is counted, and another goes on with the next input. Readers may raise the errors of the package and no other.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.children import Child, run, start
from faults.commands import TRAIN
from faults.counts import Counts
from faults.share import Share

#: Seconds for one input, and bytes of memory of a child.
SECONDS, MEMORY = 10, 6 * 2**30
#: Inputs of a whole campaign, as many for each reader.
INPUTS = 1_000_000
#: Inputs of one child.
BATCH = 2_000
#: Values that lengths and offsets are set to.
_NUMBERS = (0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
_EXTREME = [struct.pack("<Q", number) for number in _NUMBERS]
_WORDS = [b"nan", b"-inf", b"1e999", b"''", b"[" * 3000, b"\xff\xfe", b"\0" * 16, b"9" * 2400, b"{}"]


def changed(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Change a file in one to eight places."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        at = chance.randrange(len(found) + 1)
        size = chance.choice((1, 2, 4, 8, 16, 64, 512))
        how = chance.randrange(8)
        if how == 0 and found:
            found[at % len(found)] ^= 1 << chance.randrange(8)
        elif how == 1:
            found[at : at + size] = chance.randbytes(size)
        elif how == 2:
            found[at : at + size] = bytes(min(size, len(found) - at))
        elif how == 3:
            value = chance.choice(_EXTREME)[: chance.choice((1, 2, 4, 8))]
            found[at : at + len(value)] = value if chance.randrange(2) else value[::-1]
        elif how == 4:
            del found[at : at + size]
        elif how == 5:
            found[at:at] = found[at : at + size] * chance.choice((1, 2, 100))
        elif how == 6:
            found[at:at] = chance.choice(_WORDS)
        else:
            other = chance.choice(others)
            place = chance.randrange(len(other) + 1)
            found[at : at + size] = other[place : place + size]
    return bytes(found[: chance.randrange(len(found) + 1)] if chance.randrange(20) == 0 else found)


@dataclass(frozen=True)
class Reader:
    """A reader: its valid files, how a changed file is completed, and the call that reads it."""

    name: str
    suffix: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]
    complete: Callable[[bytes], bytes] = bytes


def _data(path: Path) -> object:
    from vsmnp.data import load_data

    dataset = load_data(str(path))
    return dataset.test(0, __import__("numpy").dtype("float32"))


def _picture(path: Path) -> object:
    from vsmnp.data.pictures import decode

    return decode.read_picture(path, decode.PictureOptions())


def _checkpoint(path: Path) -> object:
    from vsmnp.runs.session import load_run

    return load_run(path.parent).vae


def _resealed(content: bytes) -> bytes:
    """Give a changed checkpoint the checksum of what it has, as a hostile writer would."""
    import hashlib

    payload = content[512:]
    seal = hashlib.sha256(payload).hexdigest()
    return (b"vsmnp checkpoint 1\n" + f"sha256 {seal}\n".encode()).ljust(512, b"\0") + payload


def _toml(path: Path) -> object:
    from vsmnp.settings import toml
    from vsmnp.settings.settings import Settings

    return Settings.from_mapping(toml.load(path))


def _evaluation(path: Path) -> object:
    from vsmnp.evaluation.kept import kept

    shutil.copyfile(path, path.parent / "evaluation.json")
    return kept(path.parent)


def _lock(path: Path) -> object:
    from vsmnp.runs.lock import holder

    shutil.copyfile(path, path.parent / ".lock")
    return holder(path.parent)


def _latents(path: Path) -> object:
    from vsmnp.runs.latent_file import read_latents

    return read_latents(path, 2, 1)


def _features(path: Path) -> object:
    from vsmnp.evaluation.features import read_features

    return read_features(path)


def _sweep(path: Path) -> object:
    from vsmnp.sweeps.sweep_file import SweepPlan

    return SweepPlan.from_file(path)


def _cache(path: Path) -> object:
    from vsmnp.data.pictures import cache

    return cache._open(path, "key", 1.0)


def _records(path: Path) -> object:
    from vsmnp.paper.reproduce.reproduction import read_records

    return read_records(path, {"seed": int, "loss": float, "name": str}, "is damaged", "make it again")


def _distances(path: Path) -> object:
    from vsmnp.paper.reproduce.failure.measures import read_measured

    return read_measured(path.parent, path.name)


def _arrays(write: Callable[[Any, io.BytesIO], object]) -> Callable[[Path], list[bytes]]:
    def seeds(place: Path) -> list[bytes]:
        import numpy as np

        found = []
        for array in (
            np.linspace(-1, 1, 60).reshape(30, 2), np.arange(40, dtype=np.int16).reshape(20, 2),
            np.zeros((20, 4, 4), np.uint8), np.asfortranarray(np.ones((20, 3), np.float32)),
        ):  # fmt: skip
            image = io.BytesIO()
            write(array, image)
            found.append(image.getvalue())
        return found

    return seeds


def _npy(array: Any, file: io.BytesIO) -> None:
    import numpy as np

    np.save(file, array)


def _npz(array: Any, file: io.BytesIO) -> None:
    import numpy as np

    np.savez_compressed(file, x=array, test=array[:5])


def _h5(array: Any, file: io.BytesIO) -> None:
    import h5py

    with h5py.File(file, "w") as target:
        target.create_dataset("x", data=array, chunks=True, compression="gzip", fletcher32=True)
        target["x"].attrs["about"] = "text of a variable length"
        target.create_dataset("test", data=array[:5])
        target["other"] = h5py.SoftLink("/test")


def _hdf5(place: Path) -> list[bytes]:
    """Write HDF5 files, two of which lead to another file, which must not be opened."""
    import h5py
    import numpy as np

    canary = place / "canary"
    canary.mkdir(exist_ok=True)
    with h5py.File(canary / "c.h5", "w") as file:
        file["x"] = np.ones((20, 2))
    (canary / "raw").write_bytes(bytes(1000))
    linked, stored = io.BytesIO(), io.BytesIO()
    with h5py.File(linked, "w") as file:
        file["x"] = h5py.ExternalLink(str(canary / "c.h5"), "/x")
        file["y"] = np.ones((20, 2))
    with h5py.File(stored, "w") as file:
        file.create_dataset("x", (20, 2), np.float64, external=[(str(canary / "raw"), 0, 320)])
        file["test"] = np.ones((5, 2))
    return [*_arrays(_h5)(place), linked.getvalue(), stored.getvalue()]


def _csv(array: Any, file: io.BytesIO) -> None:
    rows = array.reshape(len(array), -1)
    names = ",".join(f"c{i}" for i in range(rows.shape[1]))
    file.write((names + "\n" + "\n".join(",".join(map(str, row)) for row in rows) + "\n").encode())


def _idx(array: Any, file: io.BytesIO) -> None:
    code = {"u1": 8, "i2": 11, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    values = array.astype(array.dtype.newbyteorder(">")).tobytes()
    file.write(bytes([0, 0, code, array.ndim]) + shape + values)


def _pictures(place: Path) -> list[bytes]:
    import numpy as np
    from PIL import Image

    found = []
    for form in ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP"):
        image = io.BytesIO()
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(image, form)
        found.append(image.getvalue())
    return found


def _of_a_run(*names: str) -> Callable[[Path], list[bytes]]:
    def seeds(place: Path) -> list[bytes]:
        folder = place / "seed"
        if not folder.exists():
            folder.mkdir()
            assert run(TRAIN, folder).code == 0
        return [(folder / "run" / name).read_bytes() for name in names]

    return seeds


def _texts(*texts: str) -> Callable[[Path], list[bytes]]:
    return lambda place: [text.encode() for text in texts]


def _cached(place: Path) -> list[bytes]:
    import hashlib

    pixels = bytes(range(64)) * 2
    facts = {"key": "key", "image": [1, 8, 8], "n_train": 1, "n_test": 1, "notes": [],
             "sha256": hashlib.sha256(pixels).hexdigest()}  # fmt: skip
    text, end = json.dumps(facts).encode(), 4096 + len(pixels)
    head = f"vsmnp pictures 1\nsha256 {hashlib.sha256(text).hexdigest()}\nfacts {end} {len(text)}\n"
    return [head.encode().ljust(4096, b"\0") + pixels + text]


READERS = (
    Reader("npy", "x.npy", _arrays(_npy), _data),
    Reader("npz", "x.npz", _arrays(_npz), _data),
    Reader("csv", "x.csv", _arrays(_csv), _data),
    Reader("idx", "x-ubyte", _arrays(_idx), _data),
    Reader("h5", "x.h5", _hdf5, _data),
    Reader("picture", "x.png", _pictures, _picture),
    Reader("checkpoint", "checkpoint.h5", _of_a_run("checkpoint.h5"), _checkpoint),
    Reader("resealed", "checkpoint.h5", _of_a_run("checkpoint.h5"), _checkpoint, _resealed),
    Reader("config", "config.toml", _of_a_run("config.toml"), _toml),
    Reader("evaluation", "x.json", _of_a_run("evaluation.json"), _evaluation),
    Reader("lock", "x.json", _texts('{"pid": 1, "host": "here", "since": "now", "command": "vsmnp"}'), _lock),
    Reader("latents", "x.csv", _texts("seed,z0,z1\n0,1.5,2\n0,-3,4e-2\n"), _latents),
    Reader("latents.npy", "x.npy", _arrays(_npy), _latents),
    Reader("latents.h5", "x.h5", _hdf5, _latents),
    Reader("features", "x.npy", _arrays(_npy), _features),
    Reader("cache", "x.pixels", _cached, _cache),
    Reader("records", "x.csv", _texts('seed,loss,name\n1,2.5,a\n2,nan,"b, c"\n'), _records),
    Reader("measures", "x.json", _texts('{"figures": {"nll": [1, 2]}, "machine": "x"}'), _distances),
    Reader("sweep", "x.toml", _texts('steps = 3\n[grid]\nlr = "1e-3,1e-2"\nseed = "0-3"\n'), _sweep),
)


class _SlowError(BaseException):
    """An input took more than its seconds."""


def _batch(reader: Reader, seeds: list[bytes], first: int, last: int, place: Path) -> None:
    """Read inputs ``first`` to ``last``; the file ``at`` has the number of the one that is read."""
    from vsmnp.errors import VsmnpError

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")

    def slow(number: int, frame: object) -> None:
        raise _SlowError

    signal.signal(signal.SIGALRM, slow)
    path, at = place / reader.suffix, os.open(place / "at", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in range(first, last):
        os.pwrite(at, struct.pack("<q", number), 0)
        path.write_bytes(mutant(reader, seeds, number))
        signal.alarm(SECONDS)
        try:
            reader.read(path)
        except VsmnpError as error:
            if len(str(error)) > 3000 or "\n" in str(error):
                print(f"{number} says {str(error)[:300]!r}")
        except _SlowError:
            print(f"{number} is slow")
        except Exception as error:
            end = traceback.extract_tb(error.__traceback__)[-1]
            print(
                f"{number} raises {type(error).__name__}: {str(error)[:150]} at {end.filename}:{end.lineno}"
            )
        finally:
            signal.alarm(0)
    os.pwrite(at, struct.pack("<q", last), 0)
    sys.stdout.flush()


def mutant(reader: Reader, seeds: list[bytes], number: int) -> bytes:
    """Return the input of a number, which is always the same."""
    chance = random.Random(f"{reader.name} {number}")
    return reader.complete(changed(chance.choice(seeds), chance, seeds))


def campaign(place: Path, share: Share, names: tuple[str, ...] = ()) -> Counts:
    """Give :data:`INPUTS` changed files to the readers, as many to each; slow ones get fewer within the time."""
    from vsmnp.errors import VsmnpError

    counts = Counts()
    each = share.trials or INPUTS // len(READERS) // share.parts
    chosen = [reader for reader in READERS if not names or reader.name in names]
    for index, reader in enumerate(chosen):
        here = place / reader.name
        here.mkdir(parents=True)
        seeds = reader.seeds(place)
        for seed in seeds:  # an input that is not changed can be read, or is refused as it should be
            (here / reader.suffix).write_bytes(seed)
            with suppress(VsmnpError):
                reader.read(here / reader.suffix)
        number, end = share.part * each, (share.part + 1) * each
        until = (index + 1) / len(chosen) * share.seconds
        while number < end and share.spent < until:
            number = _one_batch(reader, seeds, number, min(end, number + BATCH), here, counts)
        share.left += end - number
    return counts


def _one_batch(reader: Reader, seeds: list[bytes], first: int, last: int, place: Path, counts: Counts) -> int:
    child: Child = start(
        lambda: _batch(reader, seeds, first, last, place), place, canary=place.parent / "canary"
    )
    at = place / "at"
    before, ended = -1, child.ended(SECONDS + 5)
    while not ended:
        now = struct.unpack("<q", at.read_bytes())[0] if at.exists() and at.stat().st_size == 8 else -1
        if now == before:
            break
        before, ended = now, child.ended(SECONDS + 5)
    end = child.wait(0.0 if not ended else SECONDS)
    reached = struct.unpack("<q", at.read_bytes())[0]
    for line in end.output.splitlines():
        kind = "hangs" if line.endswith("is slow") else "tracebacks"
        counts.fault(kind, f"{reader.name} {line}")
    counts.programs += end.state.programs
    counts.outside += end.state.outside
    if end.state.programs:
        counts.faults.append(f"{reader.name} {first}-{last}: {end.state.foreign.decode()}")
    if reached < last:
        what = "hangs" if end.hung else "tracebacks"
        counts.fault(what, f"{reader.name} input {reached} ends the process ({end.code})")
        reached += 1
    counts.tried += reached - first
    at.unlink()
    return reached
