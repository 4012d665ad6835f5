"""The commands of ``vsmnp``, each in a file of its name."""
