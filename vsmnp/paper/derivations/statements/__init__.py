"""The statements, one file a topic; :mod:`vsmnp.paper.derivations.catalogue` puts them in order."""
