"""The statements themselves, one file a topic; :mod:`vsmnp.derivations.catalogue` puts them in order."""
