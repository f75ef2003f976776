"""Measurements: retrieval, generation, style, and the gate they feed."""

__all__: list[str] = []
