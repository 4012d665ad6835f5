"""Test the counts of the GPU's whole step, from which its speed is predicted: bounds for every change."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from click.testing import CliRunner
from cushim.examples import example

from vsmnp.bench.case import Case
from vsmnp.bench.predict.compiler import compiled
from vsmnp.bench.predict.forecast import Forecast, forecast, options
from vsmnp.bench.predict.machine_code import MachineCode, disassembled, parsed
from vsmnp.bench.predict.problem import spec_of
from vsmnp.bench.predict.wavefronts import wavefronts
from vsmnp.cli import main
from vsmnp.errors import ConfigError

LANES = range(32)


@cache
def landed(objective: str = "m1", inference: str = "kl", samples: int = 1) -> Forecast:
    """Predict the benchmark's step: two layers of 30, a batch of 1,000."""
    case = Case(objective=objective, inference=inference, samples=samples)
    return forecast(spec_of(case.settings), case.batch_size)


def test_the_whole_step_is_within_its_counts() -> None:
    found = landed()
    code = found.code
    assert (code.divisions, found.usage.spilled, found.usage.stack) == (0, 0, 0)
    assert found.blocks >= 3
    assert code.count("LDS", 128) >= 280
    assert code.count("STS", 128) >= 48
    assert code.count("LDS", 32) <= 160
    assert code.count("STS", 32) <= 110
    assert len(code.instructions) <= 9_000
    assert found.wavefronts <= 8_000
    assert found.issued <= 36_500
    assert found.least >= 1e6


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("inference", ["kl", "fisher"])
@pytest.mark.parametrize("objective", ["elbo", "m2", "m3"])
def test_no_step_divides_or_spills(objective: str, inference: str, samples: int) -> None:
    found = landed(objective, inference, samples)
    assert (found.code.divisions, found.usage.spilled, found.usage.stack) == (0, 0, 0)
    assert found.blocks >= 3


def test_no_kernel_of_many_blocks_divides_in_a_loop() -> None:
    code = disassembled(compiled(example("step_tiled", np.float32), *options("sm_90")).code)
    assert sorted(code) == ["step_finish", "step_part", "step_sum"]
    assert {name: kernel.loop_divisions for name, kernel in code.items()} == dict.fromkeys(code, 0)
    assert code["step_part"].divisions == 0


def test_products_have_all_multiply_adds_and_few_more() -> None:
    """A datum takes 9,300: padding of widths to fours, and of warps, adds at most a tenth."""
    adds = 32 * sum(product.multiply_adds for product in landed().products)
    assert 1 <= adds / (64 * 9_300) <= 1.1


@pytest.mark.parametrize(
    ("addresses", "words", "expected"),
    [
        ([0 for _ in LANES], 1, 1),
        (list(LANES), 1, 1),
        ([4 * lane for lane in LANES], 1, 4),
        ([32 * lane for lane in LANES], 1, 32),
        ([2 * lane for lane in LANES], 2, 2),
        ([4 * lane for lane in LANES], 4, 4),
        ([4 * (lane // 2) for lane in LANES], 4, 2),
        ([4 * (lane % 8) for lane in LANES], 4, 4),
        ([68 * (lane % 8) for lane in LANES], 4, 4),
        ([64 * (lane % 8) for lane in LANES], 4, 32),
        ([4 * lane if lane < 8 else None for lane in LANES], 4, 1),
        ([None for _ in LANES], 4, 0),
    ],
)
def test_a_bank_serves_one_word_at_a_time(addresses: list[int | None], words: int, expected: int) -> None:
    assert wavefronts(addresses, words) == expected


#: A division that is known by its conversion, in a loop; and a wide load before it.
LISTING = """
.text.one:
        /*0000*/                   LDS.128 R4, [R0] ;
        /*0010*/                   I2F.RP R1, R2 ;
.L_x_0:
        /*0020*/                   I2F.U32.RP R1, R2 ;
        /*0030*/               @!P0 STS.64 [R0], R2 ;
        /*0040*/               @P0 BRA `(.L_x_0) ;
        /*0050*/                   EXIT ;
"""


def test_instructions_are_counted_by_kind_width_and_loop() -> None:
    code = parsed(LISTING)["one"]
    assert [code.count("LDS", bits) for bits in (32, 64, 128)] == [0, 0, 1]
    assert [code.count("STS", bits) for bits in (32, 64, 128)] == [0, 1, 0]
    assert (code.divisions, code.loop_divisions, len(code.loops)) == (2, 1, 1)


DIVIDES = """
extern "C" __global__ void divides(int *p, int n) {
    for (int i = threadIdx.x; i < n; i += 32) p[i % p[1]] = i / p[0];
}
"""


def test_the_compiler_s_divisions_are_found() -> None:
    code: MachineCode = disassembled(compiled(DIVIDES, *options("sm_90")).code)["divides"]
    assert code.loop_divisions >= 2


def test_a_prediction_is_printed() -> None:
    done = CliRunner().invoke(main, ["bench", "--predict"])
    assert done.exit_code == 0, done.output
    assert "predicted, not measured" in done.output
    told = json.loads(CliRunner().invoke(main, ["bench", "--predict", "--json", "-"]).stdout)
    assert told["case"] == "K-M1/30x2/S1"
    assert 0 < told["least"] < told["most"]


def test_a_step_that_is_composed_is_not_predicted() -> None:
    with pytest.raises(ConfigError, match="bytes of shared memory"):
        forecast(spec_of(Case(hidden=(400, 400)).settings), 1000)
