"""The model registry: register a trained model, ask a person to review it, find the approved version."""

from twin.registry.contract import ARCHIVED, DEVELOPMENT, KEEP, PRODUCTION, ModelRegistry, version_key

__all__ = ["ARCHIVED", "DEVELOPMENT", "KEEP", "PRODUCTION", "ModelRegistry", "version_key"]
