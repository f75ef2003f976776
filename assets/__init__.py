"""What exists: one module per group of assets, each with its checks beside it."""
