"""Reading what others wrote."""

import msgspec

__all__ = ["NOT_JSON"]

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `msgspec.json.decode` raises for bytes that are not the JSON they should be: wrong in syntax or shape, no UTF-8,
or nested deeper than Python follows."""
