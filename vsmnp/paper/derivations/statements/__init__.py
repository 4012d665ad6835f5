"""The statements, one file for each topic; :mod:`vsmnp.paper.derivations.catalogue` orders them."""
