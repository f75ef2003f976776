"""Watching the twin: traces of its answers."""
