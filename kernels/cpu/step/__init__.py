"""The fused training step of the ``cpu`` set: tiles of a minibatch that stay in the cache."""
