"""Situations of the options of ``vsmnp train``, and of those that other commands share with it."""

from __future__ import annotations

from .follow import Case, commands

TRAIN = ("train", "--kernels", "reference", "--hidden", "4", "--steps", "2", "--batch-size", "10")
#: Networks of images have no hidden widths.
IMAGES = ("train", "--kernels", "reference", "--arch", "dcgan", "--width", "0.1", "--steps", "1")
IMAGES += ("--batch-size", "4", "--latent", "2", "--samples", "2", "--dry-run")
DRY = (*TRAIN, "--dry-run")


def more(*arguments: str) -> tuple[str, ...]:
    """Run a training that is not started, with these options."""
    return (*DRY, *arguments)


commands(__name__, {
    "u-statistic of one sample": Case(
        more("--objective", "m2", "--squared-mean", "u-statistic", "--samples", "1"),
        "--samples of at least 2",
        more("--objective", "m2", "--squared-mean", "u-statistic", "--samples", "2"),
    ),
    "a part of another objective": Case(
        more("--squared-mean", "biased"), "leave it out", DRY,
    ),
    "a part of a rule of gamma": Case(more("--gamma-floor", "1e-5"), "leave it out", DRY),
    "a rule of gamma as the option asks": Case(
        more("--gamma-floor", "1e-5"), "--gamma optimal", more("--gamma-floor", "1e-5", "--gamma", "optimal"),
    ),
    "temperature of a Gaussian": Case(
        more("--temperature", "0.3"), "--posterior bernoulli",
        more("--temperature", "0.3", "--posterior", "bernoulli"),
    ),
    "a weight in Fisher inference": Case(
        more("--inference", "fisher", "--kl-weight", "2"), "leave it out", more("--inference", "fisher"),
    ),
    "fae with kl": Case(
        more("--objective", "fae", "--inference", "kl"), "use fisher-reparam",
        more("--objective", "fae", "--inference", "fisher-reparam"),
    ),
    "fae with z fixed": Case(
        more("--objective", "fae", "--inference", "kl"), "or fisher",
        more("--objective", "fae", "--inference", "fisher"),
    ),
    "scores of binary latents": Case(
        more("--posterior", "bernoulli", "--objective", "m3"), "--inference kl and --objective elbo or m1",
        more("--posterior", "bernoulli", "--objective", "m1"),
    ),
    "bi-level updates of a reparametrised divergence": Case(
        more("--inference", "fisher-reparam", "--bilevel-steps", "2"), "use kl",
        more("--inference", "kl", "--bilevel-steps", "2"),
    ),
    "bi-level updates of a divergence, z held fixed": Case(
        more("--inference", "fisher-reparam", "--bilevel-steps", "2"), "or fisher, where z is held fixed",
        more("--inference", "fisher", "--bilevel-steps", "2"),
    ),
    "bi-level updates of the Fisher autoencoder": Case(
        more("--objective", "fae", "--bilevel-steps", "2"), "leave out --bilevel-steps",
        more("--objective", "fae"),
    ),
    "bi-level updates of binary latents": Case(
        more("--posterior", "bernoulli", "--bilevel-steps", "2"), "use gaussian",
        more("--posterior", "gaussian", "--bilevel-steps", "2"),
    ),
    "a step size of no updates": Case(
        more("--bilevel-lr", "0.1"), "add --bilevel-steps 5",
        more("--bilevel-lr", "0.1", "--bilevel-steps", "5"),
    ),
    "a step size of bi-level updates that is too large": Case(
        (*TRAIN, "--bilevel-steps", "5", "--bilevel-lr", "1e30", "--out", "far"),
        "try a smaller --bilevel-lr than 1e+30",
        (*TRAIN, "--bilevel-steps", "5", "--bilevel-lr", "0.001", "--out", "near"),
    ),
    "bi-level updates of a resumed run": Case(
        ("train", "--resume", "run", "--bilevel-steps", "1"), "leave the option out",
        ("train", "--resume", "run", "--dry-run"),
    ),
    "bi-level updates of a resumed run, anew": Case(
        ("train", "--resume", "run", "--bilevel-steps", "1"), "start a new run",
        ("train", "--config", "run/config.toml", "--bilevel-steps", "1", "--out", "new", "--dry-run"),
    ),
    "a weight of the squares in KL inference": Case(
        more("--fisher-weight", "covariance"), "leave it out", DRY,
    ),
    "a weight of the squares where z is reparametrised": Case(
        more("--inference", "fisher-reparam", "--fisher-weight", "covariance"), "is a part of fisher",
        more("--inference", "fisher", "--fisher-weight", "covariance"),
    ),
    "a weight of the squares in the Fisher autoencoder": Case(
        more("--objective", "fae", "--inference", "fisher", "--fisher-weight", "covariance"),
        "leave out --fisher-weight", more("--objective", "fae", "--inference", "fisher"),
    ),
    "as published": Case(
        more("--as-published"), "--objective m2 and m3", more("--as-published", "--objective", "m3"),
    ),
    "as published with an estimator": Case(
        more("--as-published", "--objective", "m2", "--squared-mean", "biased"),
        "leave out --squared-mean and --baseline", more("--as-published", "--objective", "m2"),
    ),
    "tf32 on a CPU": Case(more("--tf32"), "leave it out", DRY),
    "kernels of another device": Case(
        ("train", "--dry-run", "--device", "cpu", "--kernels", "cuda"), "leave out one of the two",
        ("train", "--dry-run", "--device", "cpu"),
    ),
    "no data of that name": Case(
        more("--dataset", "mixtrue"), "did you mean 'mixture'", more("--dataset", "mixture"),
    ),
    "steps and epochs": Case((*TRAIN, "--epochs", "3"), "--steps or --epochs", DRY),
    "seed and seeds": Case(more("--seed", "1", "--seeds", "2"), "--seed for one", more("--seed", "1")),
    "too many updates": Case(
        more("--encoder-steps", "3000000000"), "lower one of them", more("--encoder-steps", "3"),
    ),
    "a network of images on points": Case(
        (*IMAGES, "--dataset", "mixture"), "use --arch mlp", more("--arch", "mlp", "--dataset", "mixture"),
    ),
    "a network without channels": Case(
        (*IMAGES, "--dataset", "i32.npy", "--width", "0.001"), "use at least 0.015625",
        (*IMAGES, "--dataset", "i32.npy", "--width", "0.015625"),
    ),
    "pictures that are not square": Case(
        (*IMAGES, "--dataset", "i20x28.npy"), "use --image-size 32",
        (*IMAGES, "--dataset", "i20x28.npy", "--image-size", "32"),
    ),
    "pictures above a network's size": Case(
        (*IMAGES, "--dataset", "i70.npy"), "or use --arch mlp", more("--dataset", "i70.npy"),
    ),
    "a frame that is too small": Case(
        more("--dataset", "i32.npy", "--image-size", "20"), "say 32 or more",
        more("--dataset", "i32.npy", "--image-size", "32"),
    ),
    "a frame above the budget": Case(
        more("--dataset", "i32.npy", "--image-size", "64", "--memory-budget", "0.00001"),
        "raise --memory-budget",
        more("--dataset", "i32.npy", "--image-size", "64", "--memory-budget", "1"),
    ),
    "an image size of points": Case(more("--image-size", "32"), "makes no sense for mixture", DRY),
    "columns of no table": Case(
        more("--columns", "a"), "it is for tables", more("--dataset", "t.csv", "--columns", "a"),
    ),
    "a column that is not there": Case(
        more("--dataset", "t.csv", "--columns", "z"), "choose from a, b",
        more("--dataset", "t.csv", "--columns", "a,b"),
    ),
    "missing values": Case(
        more("--dataset", "gaps.csv"), "--missing drop", more("--dataset", "gaps.csv", "--missing", "drop"),
    ),
    "a suffix without a reader": Case(
        more("--dataset", "t.txt"), ".csv", more("--dataset", "t.csv"),
    ),
    "a folder with content": Case(
        (*TRAIN, "--out", "run"), "--resume run", ("train", "--resume", "run", "--steps", "4", "--dry-run"),
    ),
    "a folder with content, elsewhere": Case(
        (*TRAIN, "--out", "run"), "choose another with --out", (*TRAIN, "--out", "other"),
    ),
    "no folder for a file": Case(
        ("sample", "run", "--out", "no/x.npy"), "choose another place with --out",
        ("sample", "run", "--out", "x.npy"),
    ),
    "more draws than the disk has room for": Case(
        ("sample", "run", "-n", str(10**18), "--out", "x.npy"), "lower --number, or choose another place",
        ("sample", "run", "-n", "3", "--out", "x.npy"),
    ),
    "other settings of a resumed run": Case(
        ("train", "--resume", "run", "--lr", "0.5"), "leave the option out",
        ("train", "--resume", "run", "--dry-run"),
    ),
    "other settings of a resumed run, anew": Case(
        ("train", "--resume", "run", "--lr", "0.5"), "start a new run",
        ("train", "--config", "run/config.toml", "--lr", "0.5", "--out", "new", "--dry-run"),
    ),
    "another length of a run with a schedule": Case(
        ("train", "--resume", "scheduled", "--steps", "4"), "leave out --steps and --epochs",
        ("train", "--resume", "scheduled", "--dry-run"),
    ),
    "another length of a run with a schedule, anew": Case(
        ("train", "--resume", "scheduled", "--steps", "4"), "start a new run",
        ("train", "--config", "scheduled/config.toml", "--steps", "4", "--out", "new", "--dry-run"),
    ),
    "an option with --resume": Case(
        ("train", "--resume", "run", "--out", "new"), "leave out --out",
        ("train", "--resume", "run", "--dry-run"),
    ),
    "fewer steps than done": Case(
        ("train", "--resume", "run", "--steps", "1"), "raise --steps",
        ("train", "--resume", "run", "--steps", "3", "--dry-run"),
    ),
    "a classifier without labels": Case(
        ("evaluate", "run", "--fid"), "--features",
        ("evaluate", "run", "--draws", "50", "--iwae-samples", "0"),
    ),
    "latents of another shape": Case(
        ("decode", "run", "--latents", "t.csv", "--out", "x.npy"), "vsmnp encode",
        ("encode", "run", "--out", "z.npy"),
    ),
})  # fmt: skip
