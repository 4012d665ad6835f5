"""Misprints in the paper's words: no formula can be evaluated, so each has a written reason instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Textual:
    """One misprint in the text.

    Attributes
    ----------
    id, section, where : str
        Name of the misprint, section of the paper and place in it.
    printed, correct : str
        The printed words, and the correct ones.
    why : str
        The reason, in one sentence.
    """

    id: str
    section: str
    where: str
    printed: str
    correct: str
    why: str


TEXTUAL = (
    Textual(
        "text-semi-gaussian",
        "2",
        "under (3)",
        "we sometimes relax the assumption that p(x) is Gaussian",
        "... that p(z) and q(z|x) are Gaussian",
        "Section 3.2 leaves prior and q open and keeps the likelihood Gaussian; p(x) is not Gaussian anyway.",
    ),
    Textual(
        "text-gradient",
        "3",
        "under (5)",
        "nabla_x is the Jacobian w.r.t. x",
        "the gradient",
        "It acts on a scalar and its norm is that of a vector.",
    ),
    Textual(
        "text-prior-theta",
        "A.1",
        "the first displays, and A.4",
        "p_theta(z)",
        "p(z)",
        "Section 2 fixes the prior.",
    ),
    Textual(
        "text-expectation-twice",
        "A.2",
        "proof of Proposition 3.1",
        "the second line keeps an outer E_q; the last has the M1 of one datum on its left",
        "no outer E_q, and the mean of M1 over the data on the left",
        "The terms are expectations under q already, and the sum over n is a mean over data.",
    ),
    Textual(
        "text-inner-g",
        "A.2",
        "Proposition A.1",
        "an inner function called g, and an L_3 that holds an average over all n",
        "another name, and one function of the two averages",
        "g is the decoder, and a loss of one datum cannot contain the mean over the data.",
    ),
    Textual(
        "text-pi-is-p",
        "3.1",
        "parameter recovery",
        "let the data distribution pi be p_theta",
        "be the marginal of the model at theta*, p_theta*(x)",
        "pi is a density of x alone.",
    ),
    Textual(
        "text-dx-dz",
        "A.3",
        "proof of Proposition 4.2",
        "the integral of grad_x q(z|x) . s^p dx",
        "dz",
        "It is an expectation under q(z|x); over x it need not even converge.",
    ),
    Textual(
        "text-score-trick",
        "A.3",
        "proof of Proposition 4.2",
        "the score approximator",
        "the score trick",
        "Step (a) writes the gradient of q as q times the gradient of its logarithm.",
    ),
    Textual(
        "text-a53-sign",
        "A.5.3",
        "the score of the Laplace density",
        "independent of the mean m almost surely",
        "its derivative in m vanishes almost everywhere",
        "The score jumps at z = m, so m enters through the place of the jump: see the statement A.5.3.",
    ),
    Textual(
        "text-p-two",
        "3.3.2",
        "the second likelihood of (11)",
        "x = 1 and z1 relu(z2)",
        "x = 2 and softplus(10 z1)/10 times z2, which is what the published code runs",
        "Only the code's has a far optimum and a Fisher solution off the KL one: 'vsmnp reproduce fig2'.",
    ),
    Textual(
        "text-p-and-q",
        "A.5.1",
        "integrals, also before (29) and (32)",
        "q and p in the integrals, q_1 in the last paragraph",
        "p_1 and p_2",
        "The section defines p_1 and p_2 and no others.",
    ),
    Textual(
        "text-both-scales",
        "A.5.1",
        "under the ratios",
        "the scaling factor of the unbiased gradient depends on both s_1 and s_2",
        "for m_1 it depends on s_2 alone",
        "It is 2/s_2^2 there; the statement A.5.1-ratios has all four.",
    ),
    Textual(
        "text-disjoint",
        "A.5.2",
        "the posterior of p_I",
        "bimodal with disjoint supports",
        "bimodal with little density between the modes",
        "A Gaussian prior times a Gaussian likelihood is positive everywhere.",
    ),
    Textual(
        "text-table-here",
        "B.2",
        "sample quality",
        "shown in Appendix B.2",
        "shown in Table 2",
        "This is Appendix B.2.",
    ),
    Textual(
        "text-k-missing",
        "B.1",
        "large-scale experiments of Bao et al.",
        "set K =  for their",
        "set K = 0 for their",
        "The number is missing; they discarded the inner optimisation.",
    ),
    Textual(
        "text-j-updates",
        "B.2",
        "image experiments",
        "updated for K = 5 consecutive iterations",
        "J = 5",
        "J counts encoder updates and K bi-level ones, of which the image experiments have none.",
    ),
    Textual(
        "text-figure-9",
        "B.2",
        "caption of Figure 9",
        "posterior variance",
        "posterior standard deviation",
        "The text and the axis speak of standard deviations.",
    ),
    Textual(
        "text-semi-gaussian-3",
        "4",
        "Propositions 3.1, 4.1 and A.1",
        "the semi-Gaussian VAE (3) that minimises M_{i,phi,theta}",
        "a semi-Gaussian VAE, and M_{i,q,theta}",
        "(3) is the Gaussian VAE, and the objectives are defined with q as their index.",
    ),
    Textual(
        "text-norm",
        "4",
        "under Proposition 4.1",
        "the expected l-2 norm of the reconstruction mean",
        "the expected squared norm of the reconstruction, or rather its variance",
        "The expectation is over g(z), not of its mean, and the norm is squared.",
    ),
    Textual(
        "text-worse-fids",
        "5.2",
        "ConvNets",
        "other objectives yielded worse FIDs",
        "but for F-M1 on Fashion-MNIST",
        "Table 1 has 5.26 there, against 5.60 of the ELBO and 5.47 of K-M1.",
    ),
    Textual(
        "text-tables",
        "5.2",
        "Tables 1 and 2",
        "K-M1 on MNIST with ResNets has KID 90.8 (1) and 90.2 (2); F-M2 is best",
        "one number for one run; F-M2 is not best on CelebA",
        "The tables repeat the same runs; on CelebA F-M2 has FID 60.4 and K-M2 54.3.",
    ),
)
