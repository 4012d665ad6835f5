"""Convolutions of the ``cpu`` set, by gathered windows or by minimal filtering."""
