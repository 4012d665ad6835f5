"""Tables of numbers on disk: the latents and samples of a trained model, written and read."""
