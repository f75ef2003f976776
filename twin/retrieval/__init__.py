"""From a question to passages: what it asks for, what is found, in which order, and whether any of it is relevant."""

__all__: list[str] = []
