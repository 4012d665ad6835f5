"""Misprints in the paper's words: there is no formula to evaluate, so there is a reason instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Textual:
    """One slip in the text.

    Attributes
    ----------
    id, section, where : str
        A name, the section of the paper and the place in it.
    printed, correct : str
        What stands there, and what should.
    why : str
        How one can tell, a sentence.
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
        "be the marginal p_theta(x)",
        "p_theta is the joint density of z and x everywhere else.",
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
        "Only the code's likelihood shows what the text and the figure say: see Figure 2.",
    ),
    Textual(
        "text-p-and-q",
        "A.5.1",
        "the integrals before (30)",
        "q and p in the integrals; an unparametrised gradient",
        "p_1 and p_2; a gradient that holds the samples fixed",
        "The section defines p_1 and p_2 and no others.",
    ),
    Textual(
        "text-less-interpretable",
        "A.5.1",
        "the last sentence",
        "for other p_2 the gradients depend on its sufficient statistics, a less interpretable result",
        "for any p_2 the biased gradient is the KL gradient times the Fisher information of p_1",
        "See the statement engine-fisher-information.",
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
        "text-tables",
        "5.2",
        "Tables 1 and 2",
        "K-M1 on MNIST with ResNets has KID 90.8 (1) and 90.2 (2); F-M2 is best",
        "one number for one run; F-M2 is not best on CelebA",
        "The tables repeat the same runs; on CelebA F-M2 has FID 60.4 and K-M2 54.3.",
    ),
)
