"""Train the settings of a JSON list on the ranks of mpiexec, and print the bits of each trained state."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np

from vsmnp.data.synthetic.synthetic import Synthetic
from vsmnp.parallel.launch import joined
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings

#: Sixteen pictures of the smallest size that networks of images take.
PICTURES = np.random.default_rng(0).integers(0, 256, (16, 32, 32), dtype=np.uint8)


def main() -> None:
    """Train one run after another on all ranks; rank 0 prints a line for each."""
    Synthetic.n_train, Synthetic.n_test = 128, 16  # type: ignore[misc]
    with joined() as ranks:
        for values in json.loads(sys.argv[1]):
            settings = Settings.from_mapping(values)
            data = None if settings.arch == "mlp" else PICTURES
            session = Session.new(settings, data, ranks=ranks)
            session.train()
            state = session.state
            bits = hashlib.sha256()
            for array in (state.phi, state.theta, state.phi_memory.v, state.theta_memory.v, state.gamma_kept):
                bits.update(array.tobytes())
            bits.update(repr(session.history.column("learning.loss")).encode())
            if ranks.rank == 0:
                fused = session.trainer.fused is not None
                print(json.dumps([bits.hexdigest(), fused, float(np.abs(state.theta).sum())]), flush=True)
        ranks.close()


if __name__ == "__main__":
    main()
