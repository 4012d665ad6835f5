"""The reference kernel set: plain NumPy in any float dtype, the specification of the other sets."""
