"""Share the training of a model among processes: who they are, what they exchange, how parts are summed."""
