"""The readers of files that are fuzzed: valid files of each, and the call that reads one."""

from __future__ import annotations

import io
import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.children import run
from faults.commands import TRAIN

#: A checkpoint that an earlier version wrote.
_GOLDEN = Path(__file__).parents[1] / "golden" / "checkpoints" / "perceptron" / "checkpoint.h5"


@dataclass(frozen=True)
class Reader:
    """A reader: its valid files, how a changed file is completed, and the call that reads one.

    ``weight`` is its part of the inputs, as a multiple of that of a reader which starts no process.
    """

    name: str
    suffix: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]
    complete: Callable[[bytes], bytes] = bytes
    weight: float = 1.0


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
    from vsmnp.runs.tables.latent_file import read_latents

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

    forbidden = place / "forbidden"
    forbidden.mkdir(exist_ok=True)
    with h5py.File(forbidden / "c.h5", "w") as file:
        file["x"] = np.ones((20, 2))
    (forbidden / "raw").write_bytes(bytes(1000))
    linked, stored, made = io.BytesIO(), io.BytesIO(), io.BytesIO()
    layout = h5py.VirtualLayout((20, 2), np.float64)
    layout[:] = h5py.VirtualSource(".", "y", (20, 2))
    with h5py.File(made, "w") as file:
        file["y"] = np.ones((20, 2))
        file.create_virtual_dataset("x", layout)
    with h5py.File(linked, "w") as file:
        file["x"] = h5py.ExternalLink(str(forbidden / "c.h5"), "/x")
        file["y"] = np.ones((20, 2))
    with h5py.File(stored, "w") as file:
        file.create_dataset("x", (20, 2), np.float64, external=[(str(forbidden / "raw"), 0, 320)])
        file["test"] = np.ones((5, 2))
    return [*_arrays(_h5)(place), linked.getvalue(), stored.getvalue(), made.getvalue()]


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


def _former(place: Path) -> list[bytes]:
    """Return checkpoints of earlier versions, which have their text in HDF5's heap.

    The data of the first are of another size than those of the campaign. The second is the run that other
    readers have, with former names, and is read to its end.
    """
    import h5py

    from vsmnp.training.state import FORMER_FLAGS

    former_names = {name: former for former, name in FORMER_FLAGS.items()}
    (content,) = _of_a_run("checkpoint.h5")(place)
    image = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as now, h5py.File(image, "w", userblock_size=512) as former:
        for name in now:
            now.copy(name, former, former_names.get(name, name))
        former.attrs["vsmnp"] = bytes(now.attrs["vsmnp"]).decode()
    return [_GOLDEN.read_bytes(), _resealed(image.getvalue())]


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
    Reader("h5", "x.h5", _hdf5, _data, weight=0.1),
    Reader("picture", "x.png", _pictures, _picture, weight=0.5),
    Reader("checkpoint", "checkpoint.h5", _of_a_run("checkpoint.h5"), _checkpoint, weight=0.4),
    Reader("resealed", "checkpoint.h5", _of_a_run("checkpoint.h5"), _checkpoint, _resealed, weight=0.1),
    Reader("former", "checkpoint.h5", _former, _checkpoint, _resealed, weight=0.1),
    Reader("config", "config.toml", _of_a_run("config.toml"), _toml),
    Reader("evaluation", "x.json", _of_a_run("evaluation.json"), _evaluation),
    Reader("lock", "x.json", _texts('{"pid": 1, "host": "here", "since": "now", "command": "vsmnp"}'), _lock),
    Reader("latents", "x.csv", _texts("seed,z0,z1\n0,1.5,2\n0,-3,4e-2\n"), _latents),
    Reader("latents.npy", "x.npy", _arrays(_npy), _latents),
    Reader("latents.h5", "x.h5", _hdf5, _latents, weight=0.1),
    Reader("features", "x.npy", _arrays(_npy), _features),
    Reader("cache", "x.pixels", _cached, _cache),
    Reader("records", "x.csv", _texts('seed,loss,name\n1,2.5,a\n2,nan,"b, c"\n'), _records),
    Reader("measures", "x.json", _texts('{"figures": {"nll": [1, 2]}, "machine": "x"}'), _distances),
    Reader("sweep", "x.toml", _texts('steps = 3\n[grid]\nlr = "1e-3,1e-2"\nseed = "0-3"\n'), _sweep),
)
