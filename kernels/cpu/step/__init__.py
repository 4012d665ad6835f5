"""The fused training step of the ``cpu`` set: a minibatch is processed in tiles that fit the cache."""
