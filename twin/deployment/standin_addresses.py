"""Where the console serves its stand-ins, below its own address, and the key that their clients send."""

__all__ = ["COMET_PATH", "LOCAL_KEY", "OPIK_PATH"]

OPIK_PATH = "/opik/api"
"""The Opik receiver: `OPIK_URL_OVERRIDE=http://127.0.0.1:8001/opik/api`."""

COMET_PATH = "/comet/"
"""The Comet stand-in: `COMET_URL_OVERRIDE=http://127.0.0.1:8001/comet/`."""

LOCAL_KEY = "local-console-key"
"""The stand-ins take any key; the SDKs want one."""
