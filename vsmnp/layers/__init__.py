"""Layers with four hand-derived rules each: forward, jvp, vjp and the tangent of vjp."""
