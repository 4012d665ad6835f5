"""Give changed files to every reader: bytes of valid files are flipped, cut, repeated and exchanged.

An input that reaches a new branch of a reader is kept, and changed further.

A child reads many inputs, each within ten seconds and all within a limit of memory. A child that a signal
ends, or that takes longer, is counted, and another one reads the next inputs. Readers may raise the errors of
the package and no other.
"""

from __future__ import annotations

import io
import math
import os
import random
import resource
import shutil
import signal
import struct
import sys
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

from faults.children import Child, start
from faults.counts import Counts
from faults.guided import Reached
from faults.readers import READERS, Reader
from faults.share import Share

#: Seconds for one input, and bytes of memory of a child.
SECONDS, MEMORY = 10, 6 * 2**30
#: Inputs of a whole campaign, divided among the readers by their weights.
INPUTS = 1_000_000
#: Inputs of one child.
BATCH = 5_000
#: Seconds of the processor for the look at an HDF5 file.
_LOOK = 0.2
#: Inputs that are kept of a reader, beside the valid files, and bytes of the longest.
KEPT, LONGEST = 300, 20_000
#: Values that lengths and offsets are set to.
_NUMBERS = (0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
_EXTREME = [struct.pack("<Q", number) for number in _NUMBERS]
_WORDS = [b"nan", b"-inf", b"1e999", b"''", b"[" * 3000, b"\xff\xfe", b"\0" * 16, b"9" * 2400, b"{}"]


def changed(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Replace bytes of a file in one to eight places."""
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
            at *= chance.randrange(2)  # also at the begin, where a parser meets it in any case
            found[at:at] = chance.choice(_WORDS)
        else:
            other = chance.choice(others)
            place = chance.randrange(len(other) + 1)
            found[at : at + size] = other[place : place + size]
    return bytes(found[: chance.randrange(len(found) + 1)] if chance.randrange(20) == 0 else found)


class _SlowError(BaseException):
    """An input took more than its seconds."""


def forked(program: str, *arguments: str, content: bytes = b"") -> bytes:
    """Run a program as :func:`vsmnp.data.hdf5_ends.elsewhere` does, in a fork, which begins sooner."""
    from vsmnp.data import hdf5_ends

    given, printed = os.memfd_create("given"), os.memfd_create("printed")
    try:
        os.pwrite(given, content, 0)
        pid = os.fork()
        if not pid:
            failed = 1
            try:
                signal.setitimer(signal.ITIMER_PROF, _LOOK)
                sys.argv = ["-c", *arguments]
                sys.stdin = io.TextIOWrapper(io.FileIO(given))
                sys.stdout = io.TextIOWrapper(io.FileIO(printed, "w"))
                exec(program, {"sys": sys, "next_step": int})
                sys.stdout.flush()
                failed = 0
            finally:
                os._exit(failed)
        state = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(state):
            raise hdf5_ends.EndlessError
        if state:
            raise ValueError("the program fails")
        return os.pread(printed, os.fstat(printed).st_size, 0)
    finally:
        os.close(given)
        os.close(printed)


def _batch(reader: Reader, seeds: list[bytes], first: int, last: int, place: Path, until: float) -> None:
    """Read inputs from ``first`` until ``last`` or a time; the file ``at`` has the number of the last one."""
    from vsmnp.errors import VsmnpError

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")

    def slow(number: int, frame: object) -> None:
        raise _SlowError

    signal.signal(signal.SIGALRM, slow)
    path, at = place / reader.suffix, os.open(place / "at", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    pool, reached = _pool(seeds, place), Reached()
    for content in pool:
        path.write_bytes(content)
        with suppress(VsmnpError):
            reached.watch(lambda: reader.read(path))
    for number in range(first, last):
        os.pwrite(at, struct.pack("<q", number), 0)
        if time.monotonic() > until:
            break
        content = mutant(reader, pool, number)
        path.write_bytes(reader.complete(content))
        said = ""
        signal.alarm(SECONDS)
        try:
            reached.watch(lambda: reader.read(path))
        except VsmnpError as error:
            if len(str(error)) > 3000 or "\n" in str(error):
                said = f"says {str(error)[:300]!r}"
        except _SlowError:
            said = "is slow"
        except Exception as error:
            end = traceback.extract_tb(error.__traceback__)[-1]
            said = f"raises {type(error).__name__}: {str(error)[:150]} at {end.filename}:{end.lineno}"
        finally:
            signal.alarm(0)
        if said:
            shutil.copyfile(path, place / f"{number}.failing")
            print(f"{number} {said}", flush=True)  # a fork would print what is left in the buffer again
        elif reached.new and len(content) <= LONGEST and len(pool) < len(seeds) + KEPT:
            pool.append(content)
            (place / f"{number}.kept").write_bytes(content)
    else:
        os.pwrite(at, struct.pack("<q", last), 0)
    sys.stdout.flush()


def _pool(seeds: list[bytes], place: Path) -> list[bytes]:
    """Return the valid files and the inputs that were kept."""
    kept = sorted(place.glob("*.kept"), key=lambda path: int(path.stem))
    return [*seeds, *(path.read_bytes() for path in kept)]


def mutant(reader: Reader, pool: list[bytes], number: int) -> bytes:
    """Return the input of a number, the same for the same pool; half are changes of what was kept last."""
    chance = random.Random(f"{reader.name} {number}")
    of = pool[-20:] if chance.randrange(2) else pool
    return changed(chance.choice(of), chance, pool)


def campaign(place: Path, share: Share, names: tuple[str, ...] = ()) -> Counts:
    """Give :data:`INPUTS` changed files to the readers, each its part of them, within the time."""
    from vsmnp.data import hdf5_ends
    from vsmnp.errors import VsmnpError

    hdf5_ends.elsewhere = forked
    counts = Counts()
    unit = INPUTS / sum(reader.weight for reader in READERS) / share.parts
    chosen = [reader for reader in READERS if not names or reader.name in names]
    for index, reader in enumerate(chosen):
        here = place / reader.name
        here.mkdir(parents=True)
        seeds = reader.seeds(place)
        for seed in seeds:  # an input that is not changed can be read, or is refused as it should be
            (here / reader.suffix).write_bytes(seed)
            with suppress(VsmnpError):
                reader.read(here / reader.suffix)
        each = share.trials or math.ceil(reader.weight * unit)
        number, end = share.part * each, (share.part + 1) * each
        until = (index + 1) / len(chosen) * share.seconds
        while number < end and share.spent < until:
            left = time.monotonic() + until - share.spent
            number = _one_batch(reader, seeds, number, min(end, number + BATCH), here, counts, left)
        share.left += end - number
        counts.progress(reader.name)
    return counts


def _one_batch(
    reader: Reader, seeds: list[bytes], first: int, last: int, place: Path, counts: Counts, until: float
) -> int:
    child: Child = start(
        lambda: _batch(reader, seeds, first, last, place, until), place, forbidden=place.parent / "forbidden"
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
        if not line.partition(" ")[0].isdigit():  # libtiff writes to the terminal by itself
            continue
        kind = "hangs" if line.endswith("is slow") else "tracebacks"
        counts.fault(kind, f"{reader.name} {line}")
    counts.programs += end.state.programs
    counts.outside += end.state.outside
    if end.state.programs:
        counts.faults.append(f"{reader.name} {first}-{last}: {end.state.foreign.decode()}")
    if reached < last and (end.code or end.hung):
        what = "hangs" if end.hung else "tracebacks"
        shutil.copyfile(place / reader.suffix, place / f"{reached}.failing")
        counts.fault(what, f"{reader.name} input {reached} ends the process ({end.code})")
        reached += 1
    counts.tried += reached - first
    at.unlink()
    return reached
