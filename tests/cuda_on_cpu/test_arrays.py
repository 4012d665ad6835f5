"""Test that arrays of CuPy are read as data, on a CPU and on their device."""

from __future__ import annotations

import json

from cuda_on_cpu.device import Device

_PROGRAM = """
import json, warnings
import cupy, numpy, vsmnp
from vsmnp.errors import DataError

X = numpy.random.default_rng(0).integers(-8, 9, (40, 3)) / 4.0
SMALL = {"steps": 2, "hidden": (4,), "batch_size": 10, "samples": 2}
C = cupy.asarray(X)
GIVEN = {
    "float64": C, "float32": cupy.asarray(X, "f"), "float16": cupy.asarray(X.astype("e")),
    "integers": cupy.asarray((4 * X).astype(int)),
    "transposed": cupy.asarray(X.T.copy()).T, "every other row": cupy.asarray(X.repeat(2, 0))[::2],
    "reversed": cupy.asarray(X[::-1].copy())[::-1], "list of rows": list(C),
    "list of lists": [list(row) for row in C],
}
REFUSED = {
    "0-d": C[0, 0], "one axis": C[0], "complex": cupy.asarray(X + 1j),
    "several lengths": [C[0], C[1, :2]],
}
found = {}
for device in ("cpu", "gpu"):
    small = {**SMALL, "device": device, "kernels": "reference" if device == "cpu" else "auto"}
    run = vsmnp.train(X, **small)
    host = {"float64": X, "integers": (4 * X).astype(int)}
    for name, given in GIVEN.items():
        same = host.get(name, X)
        trained, expected = (vsmnp.train(x, **small).vae for x in (given, same))
        encoded = [run.vae.encode(x)[0].tobytes() for x in (given, same)]
        evaluated = [vsmnp.evaluate(run, x, prior_draws=20, iwae_samples=2) for x in (given, same)]
        found[f"{device}: {name}"] = (
            trained.k.to_host(trained.theta).tobytes() == expected.k.to_host(expected.theta).tobytes()
            and encoded[0] == encoded[1] and evaluated[0] == evaluated[1]
        )
    for name, given in REFUSED.items():
        for use in (lambda x: vsmnp.train(x, **small), run.vae.encode, lambda x: vsmnp.evaluate(run, x)):
            try:
                use(given)
            except DataError as error:
                found.setdefault(f"{device}: {name} is refused", str(error))
print(json.dumps(found))
"""


def test_arrays_on_the_device_are_read(device: Device) -> None:
    found = json.loads(device.program(_PROGRAM).splitlines()[-1])
    refused = {name: found.pop(name) for name in list(found) if name.endswith("refused")}
    assert len(found) == 18
    assert [name for name, same in found.items() if not same] == []
    assert len(refused) == 8
    assert "several lengths" in refused["cpu: several lengths is refused"]
