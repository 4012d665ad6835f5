"""Activate the device at the start of Python, because ``run.py`` puts this folder on its path."""

import os
import sys
from pathlib import Path

if "CUDA_ON_CPU" in os.environ:
    sys.path.append(str(Path(__file__).parents[2]))
    from cuda_on_cpu.activate import Places, activate

    activate(Places(*map(Path, os.environ["CUDA_ON_CPU"].split(os.pathsep))))
