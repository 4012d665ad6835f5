"""Test that every erratum has a fair grade, and the numbers that the errata quote."""

from __future__ import annotations

import re

import numpy as np
import pytest

from vsmnp.paper.derivations import ERRATA, Grade, Statement, all_statements, judge, slips
from vsmnp.paper.derivations.errata import MEANING, count
from vsmnp.paper.derivations.examples.linear_modes import Modes
from vsmnp.paper.derivations.statements.fixed_q import _of_the_toy, _scales_claimed
from vsmnp.paper.derivations.statements.integration_by_parts import _R
from vsmnp.paper.derivations.statements.tracking_posterior import _by_alternating, _tracking
from vsmnp.paper.reproduce.fig2.basins import find_basins
from vsmnp.paper.reproduce.fig2.problems import PROBLEMS
from vsmnp.paper.reproduce.images.printed import QUALITY

STATEMENTS = {statement.id: statement for statement in all_statements()}
SLIPS = {slip.id: slip for slip in slips()}
WRONG = [s for s in all_statements() if s.grade is Grade.WRONG]


def test_every_erratum_has_a_grade_and_every_grade_is_used() -> None:
    for statement in all_statements():
        assert (statement.printed is not None) == (statement.grade is not None), statement.id
    assert {s.error for s in all_statements() if s.error} == set(ERRATA)
    assert {*(each.grade for each in ERRATA.values()), *(slip.grade for slip in slips())} == set(Grade)
    assert list(MEANING) == list(Grade)
    assert sum(count([*all_statements(), *slips()]).values()) == len(ERRATA) + len(SLIPS)


@pytest.mark.parametrize("name", [name for name, each in ERRATA.items() if each.grade is Grade.WRONG])
def test_wrong_needs_a_counterexample_within_the_assumptions_of_the_paper(name: str) -> None:
    shown = [s for s in WRONG if s.error == name and s.within is not None]
    assert shown
    for statement in shown:
        verdict = judge(statement)
        assert verdict.counterexamples
        assert verdict.within is not None
        assert verdict.within.holds, verdict.within.detail


def test_only_what_is_called_wrong_shows_that_it_is_within_the_assumptions() -> None:
    assert [s.id for s in all_statements() if s.within is not None and s not in WRONG] == []
    assert Grade.WRONG not in {slip.grade for slip in slips()}


# --- the numbers that the errata quote ------------------------------------------------------------


def test_the_optima_of_the_printed_second_likelihood_are_apart() -> None:
    of_kl, of_fisher = find_basins(PROBLEMS[1])
    assert of_fisher.fisher is not None
    assert of_kl.kl is not None
    fisher, kl = np.array(of_fisher.fisher.mean), np.array(of_kl.kl.mean)
    for quoted in (f"({fisher[0]:.3f}, {fisher[1]:.3f})", f"({kl[0]:.3f}, {kl[1]:.3f})"):
        assert quoted in SLIPS["text-p-two"].why
    assert f"{np.hypot(*(fisher - kl)):.2f} off" in SLIPS["text-p-two"].why


def test_the_corrected_loss_of_m2_over_constrains() -> None:
    words = STATEMENTS["4-overly-constrains"].consequence
    one, two = _scales_claimed(STATEMENTS["4-overly-constrains"].claim, _of_the_toy(1.0))
    assert two < 0.9 * one
    squares, gamma = _tracking(np.array([1.3]), np.full(4, 0.3), 2)  # width 1, gamma = 0.3, five dimensions
    assert f"ends at {np.sqrt(squares[0]):.1f}" in words
    assert gamma == pytest.approx(0.4)
    collapsed = _by_alternating(Modes(active=(1.3,), rest=(0.3,)), 2)  # d_x = 2 d_z
    assert collapsed[0] < 1e-6
    for name in ("prop-4.1", "24"):
        assert (
            "the conclusion that M2 overly constrains the reconstruction stands"
            in STATEMENTS[name].consequence
        )


def test_the_laplace_gradient_is_right_by_the_definition_of_the_paper() -> None:
    statement = STATEMENTS["A.5.3-laplace"]
    assert statement.printed is None
    assert statement.claim(0.7, 0.6) == 0
    assert STATEMENTS["engine-laplace-jump"].claim(0.7, 0.6) == pytest.approx(0.7 / 0.36)


def test_the_expectation_of_the_counterexample_to_25_is_infinite() -> None:
    """``E f'`` over ``|x| <= R`` is ``2/pi log(1 + R^2)`` for the Cauchy density and ``f = x|x|``."""

    def over(radius: float) -> float:
        points, w = np.polynomial.legendre.leggauss(200)
        u = 0.5 * np.arcsinh(radius) * (points + 1)
        x = np.sinh(u)
        return float(np.arcsinh(radius) * w @ (np.cosh(u) * 2 * x / (np.pi * (1 + x * x))))

    for radius in (_R, _R**2):
        assert over(radius) == pytest.approx(2 / np.pi * np.log1p(radius**2), rel=1e-9)
    assert over(_R**2) / over(_R) == pytest.approx(2, rel=1e-6)
    assert "its expectations are infinite" in STATEMENTS["25"].consequence


@pytest.mark.parametrize("slip", slips(), ids=lambda slip: slip.id)
def test_no_reason_quotes_a_picture(slip: object) -> None:
    assert not re.search(r"\b(axis|axes|panel|plot|curve)s?\b", SLIPS[slip.id].why)  # type: ignore[attr-defined]


def test_quoted_table_entries_are_those_of_the_tables() -> None:
    fashion = QUALITY["dcgan", "fashion"]
    for method in ("K-ELBO", "K-M1", "F-M1"):
        assert f"{fashion[method].fid:.2f}" in SLIPS["text-worse-fids"].why
    celeba = QUALITY["resnet18", "celeba"]
    for method in ("K-M2", "F-M2"):
        assert f"{celeba[method].fid}" in SLIPS["text-best-samples"].why
    for data in ("mnist", "fashion"):
        assert min(QUALITY["resnet18", data].items(), key=lambda item: item[1].fid)[0] == "F-M2"


def test_a_statement_without_an_erratum_has_no_error() -> None:
    assert isinstance(STATEMENTS["18"], Statement)
    assert (STATEMENTS["18"].error, STATEMENTS["18"].grade) == ("", None)
