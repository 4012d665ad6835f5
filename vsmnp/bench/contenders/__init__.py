"""The engine and its peers as one kind of object, and the check that they compute the same."""
