"""MNIST and Fashion-MNIST: where their files lie, how they are fetched and decoded."""
