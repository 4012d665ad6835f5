"""List all statements in the order of the paper and select among them."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module

from ...errors import ConfigError
from .statement import Statement
from .textual import TEXTUAL, Textual

#: Modules of statements, in the order in which their subjects appear in the paper.
FILES = (
    # sections 2, 3.1, A.1
    "background",
    "elbo_autoencoding",
    "joint_divergence",
    "joint_steps",
    "cross_terms",
    "figure_model",
    # sections 3.2, 4, A.2, A.3
    "gaussian_scores",
    "autoencoding",
    "utility",
    "marginal_objectives",
    "m2",
    "fixed_q",
    "m3",
    "m3_autoencoding",
    "integration_by_parts",
    # section 5
    "bao_objective",
    # sections 3.3, A.4, A.5, Algorithm 1
    "posterior_divergence",
    "posterior_expansion",
    "optimal_precision",
    "optimal_posterior",
    "vanishing_noise",
    "toy_likelihoods",
    "toy_optima",
    "inference_remarks",
    "inference_gradients",
    "univariate",
    # identities of the engine
    "one_family",
    "rescaled_elbo",
    "m3_field",
    "bilevel",
    "frozen_posterior",
    "tracking_posterior",
    "as_published",
    "layer_rules",
    "composition_rules",
    "activation_rules",
    "posterior_rules",
    "score_norm",
    "joint_rules",
    "evaluation",
    "engine_gradients",
    "engine_kink",
    "estimator_variances",
    "batch_coupling",
    "bernoulli_posterior",
    "mixture_weights",
    "machinery",
)
_SECTIONS = ("2", "3", "4", "5", "A.1", "A.2", "A.3", "A.4", "A.5", "engine")


@cache
def all_statements() -> tuple[Statement, ...]:
    """Return all statements: the numbered equations first, then the others by section."""
    found: list[Statement] = []
    for name in FILES:
        found += import_module(f"{__package__}.statements.{name}").STATEMENTS
    return tuple(sorted(found, key=_place))


def _place(statement: Statement) -> tuple[int, int, str]:
    """Return the sort key of a statement: numbered equations first, by number; the rest by section.

    The sort is stable, so statements of one section stay in the order of their files.
    """
    if statement.id.isdigit():
        return 0, int(statement.id), ""
    section = next((i for i, s in enumerate(_SECTIONS) if statement.section.startswith(s)), len(_SECTIONS))
    return 1, section, statement.section


def select(
    equation: str | None = None, section: str | None = None, errata: bool = False
) -> tuple[Statement, ...]:
    """Select the statements that a user asks for, by equation, by section or by misprint.

    Parameters
    ----------
    equation : str, optional
        ``"15"``, or the id of a statement without a number; ``"(15)"`` is understood.
    section : str, optional
        ``"A.5"`` also means A.5.1 and the like; ``"engine"`` for what is not in the paper.
    errata : bool
        Select only the statements that the paper misprints.

    Raises
    ------
    ConfigError
        If nothing is selected and no misprint of the words matches either.
    """
    chosen = all_statements()
    if equation is not None:
        wanted = equation.strip("() ").lower()
        chosen = tuple(s for s in chosen if s.id.lower() == wanted)
    if section is not None:
        chosen = tuple(s for s in chosen if _inside(s.section, section))
    if errata:
        chosen = tuple(s for s in chosen if s.printed is not None)
    if not chosen and not (errata and equation is None and slips(section)):
        raise ConfigError(_why_nothing(equation, section, errata))
    return chosen


def _why_nothing(equation: str | None, section: str | None, errata: bool) -> str:
    """Return the message for an empty selection: what the user could ask instead."""
    if errata and (equation is not None or section is not None):
        select(equation, section)  # raises unless only the option errata emptied the selection
        return "What was asked for is right as printed: leave out --errata to see its checks."
    if section is not None and equation is None and slips(section):
        return f"Section {section} has slips in the words only: add --errata."
    return (
        "No statement fits: --equation takes a number from 1 to 32 or an id from the first column of 'vsmnp "
        "verify', --section a section such as A.5."
    )


def slips(section: str | None = None) -> tuple[Textual, ...]:
    """Return the misprints in the paper's words, of one section or of all."""
    return tuple(slip for slip in TEXTUAL if section is None or _inside(slip.section, section))


def _inside(section: str, wanted: str) -> bool:
    """Return whether a section equals another one or is contained in it, as A.5.1 is in A.5."""
    return re.match(re.escape(wanted) + r"(\.|$)", section, re.IGNORECASE) is not None
