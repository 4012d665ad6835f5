"""Slips in the paper's words: no formula can be evaluated, so each has a written reason and a grade.

A reason rests on the paper's text and tables and on numbers that a test computes; figures are not quoted.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errata import Grade


@dataclass(frozen=True)
class Textual:
    """One slip in the text.

    Attributes
    ----------
    id, section, where : str
        Name of the slip, section of the paper and place in it.
    grade : Grade
        Kind of the slip.
    printed, correct : str
        The printed words, and the correct ones.
    why : str
        The reason, in one sentence.
    """

    id: str
    grade: Grade
    section: str
    where: str
    printed: str
    correct: str
    why: str

    @property
    def error(self) -> str:
        """The name of the distinct error, which is the slip itself."""
        return self.id


TEXTUAL = (
    Textual(
        "text-semi-gaussian",
        Grade.MISPRINT,
        "2",
        "under (3)",
        "we sometimes relax the assumption that p(x) is Gaussian",
        "... that p(z) and q(z|x) are Gaussian",
        "Section 3.2 leaves prior and q open and keeps the likelihood Gaussian.",
    ),
    Textual(
        "text-gradient",
        Grade.PEDANTIC,
        "3",
        "under (5)",
        "nabla_x is the Jacobian w.r.t. x",
        "the gradient",
        "It acts on a scalar and its norm is that of a vector.",
    ),
    Textual(
        "text-prior-theta",
        Grade.PEDANTIC,
        "A.1",
        "the first displays, and A.4",
        "p_theta(z)",
        "p(z)",
        "Section 2 fixes the prior.",
    ),
    Textual(
        "text-expectation-twice",
        Grade.PEDANTIC,
        "A.2",
        "proof of Proposition 3.1",
        "the second line keeps an outer E_q; the last has the M1 of one datum on its left",
        "no outer E_q, and the mean of M1 over the data on the left",
        "The terms are expectations under q already, and the sum over n is a mean over data.",
    ),
    Textual(
        "text-inner-g",
        Grade.PEDANTIC,
        "A.2",
        "Proposition A.1",
        "an inner function called g, and an L_3 that holds an average over all n",
        "another name, and one function of the two averages",
        "g is the decoder, and a loss of one datum cannot contain the mean over the data.",
    ),
    Textual(
        "text-pi-is-p",
        Grade.PEDANTIC,
        "3.1",
        "parameter recovery",
        "let the data distribution pi be p_theta",
        "be the marginal of the model at theta*, p_theta*(x)",
        "pi is a density of x alone.",
    ),
    Textual(
        "text-dx-dz",
        Grade.MISPRINT,
        "A.3",
        "proof of Proposition 4.2",
        "the integral of grad_x q(z|x) . s^p dx",
        "dz",
        "It is an expectation under q(z|x).",
    ),
    Textual(
        "text-score-trick",
        Grade.MISPRINT,
        "A.3",
        "proof of Proposition 4.2",
        "the score approximator",
        "the score trick",
        "Step (a) writes the gradient of q as q times the gradient of its logarithm.",
    ),
    Textual(
        "text-a53-sign",
        Grade.PEDANTIC,
        "A.5.3",
        "the score of the Laplace density",
        "independent of the mean m almost surely",
        "its derivative in m vanishes almost everywhere",
        "The score jumps at z = m, so m enters through the place of the jump: see engine-laplace-jump.",
    ),
    Textual(
        "text-p-two",
        Grade.MISPRINT,
        "3.3.2",
        "the second likelihood of (11)",
        "x = 1 and z1 relu(z2)",
        "x = 2 and z1 softplus(10 z2)/10, which the published code has under the name 'soft'",
        "As printed, D_F has one optimum, (0.215, -0.407), 0.27 off KL's, (0.222, -0.139), and there is no "
        "other; the local optimum that Adam finds is one of the code's likelihood ('vsmnp reproduce fig2').",
    ),
    Textual(
        "text-p-and-q",
        Grade.PEDANTIC,
        "A.5.1",
        "integrals, also before (29) and (32)",
        "q and p in the integrals, q_1 in the last paragraph",
        "p_1 and p_2",
        "The section defines p_1 and p_2 and no others.",
    ),
    Textual(
        "text-both-scales",
        Grade.PEDANTIC,
        "A.5.1",
        "under the ratios",
        "the scaling factor of the unbiased gradient depends on both s_1 and s_2",
        "for m_1 it depends on s_2 alone",
        "It is 2/s_2^2 there; of the gradient as a whole the sentence is right (A.5.1-ratios).",
    ),
    Textual(
        "text-disjoint",
        Grade.PEDANTIC,
        "A.5.2",
        "the posterior of p_I",
        "bimodal with disjoint supports",
        "bimodal with little density between the modes",
        "A Gaussian prior times a Gaussian likelihood is positive everywhere.",
    ),
    Textual(
        "text-table-here",
        Grade.PEDANTIC,
        "B.2",
        "sample quality",
        "shown in Appendix B.2",
        "shown in Table 2",
        "This is Appendix B.2.",
    ),
    Textual(
        "text-k-missing",
        Grade.TRANSCRIPT,
        "B.1",
        "large-scale experiments of Bao et al.",
        "set K =  for their",
        "set K = 0 for their",
        "The number is missing; they discarded the inner optimisation.",
    ),
    Textual(
        "text-j-updates",
        Grade.MISPRINT,
        "B.2",
        "image experiments",
        "updated for K = 5 consecutive iterations",
        "J = 5",
        "J counts encoder updates and K bi-level ones, of which the image experiments have none.",
    ),
    Textual(
        "text-figure-9",
        Grade.MISPRINT,
        "B.2",
        "caption of Figure 9",
        "posterior variance",
        "posterior standard deviation",
        "The text of 5.2 and of B.2 speaks of standard deviations where it refers to this figure.",
    ),
    Textual(
        "text-semi-gaussian-3",
        Grade.PEDANTIC,
        "4",
        "Propositions 3.1, 4.1 and A.1",
        "the semi-Gaussian VAE (3) that minimises M_{i,phi,theta}",
        "a semi-Gaussian VAE, and M_{i,q,theta}",
        "(3) is the Gaussian VAE, and the objectives are defined with q as their index.",
    ),
    Textual(
        "text-norm",
        Grade.PEDANTIC,
        "4",
        "under Proposition 4.1",
        "the expected l-2 norm of the reconstruction mean",
        "the expected squared norm of the reconstruction, or rather its variance",
        "The expectation is over g(z), not of its mean, and the norm is squared.",
    ),
    Textual(
        "text-worse-fids",
        Grade.PEDANTIC,
        "5.2",
        "ConvNets",
        "other objectives yielded worse FIDs",
        "but for F-M1 on Fashion-MNIST",
        "Table 1 has FID 5.26 there, against 5.60 of the ELBO and 5.47 of K-M1; standard errors of up to 5% "
        "leave the order open.",
    ),
    Textual(
        "text-tables",
        Grade.TRANSCRIPT,
        "5.2",
        "Tables 1 and 2",
        "K-M1 on MNIST with ResNets has KID 90.8 in Table 1 and 90.2 in Table 2",
        "one number for one run",
        "Table 2 repeats the runs of Table 1.",
    ),
    Textual(
        "text-best-samples",
        Grade.ASSUMPTION,
        "5.2",
        "ResNets",
        "the best sample quality model turned out to be F-M2",
        "on MNIST and Fashion-MNIST",
        "On CelebA F-M2 has FID 60.4, and K-M2 has 54.3.",
    ),
)
