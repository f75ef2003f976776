"""Thin Dagster resources over the clients of `twin`."""
