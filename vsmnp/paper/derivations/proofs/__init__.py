"""Hold the derivations of the statements, one module beside each module of statements."""
