"""MNIST and Fashion-MNIST: find, download and decode their files."""
