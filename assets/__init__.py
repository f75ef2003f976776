"""What exists: one module per group of assets, each with its checks beside it."""

from assets import collection, datasets, evaluation, features, feedback, monitoring, preferences, serving, training

__all__ = ["ALL_ASSETS", "ALL_CHECKS"]

GROUPS = (collection, features, datasets, feedback, preferences, evaluation, training, serving, monitoring)
ALL_ASSETS = [asset for group in GROUPS for asset in group.ASSETS]
ALL_CHECKS = [check for group in GROUPS for check in group.CHECKS]
