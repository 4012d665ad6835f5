"""The statements themselves, one file a topic; :mod:`vsmnp.paper.derivations.catalogue` puts them in order."""
