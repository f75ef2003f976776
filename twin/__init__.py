"""The library: everything that decides or computes. It knows neither Dagster nor Litestar.

The rooms, in the order data flows: `records`, `settings`, `errors`, `deployment`, `artifacts`, `collection`,
`warehouse`, `cleaning`, `features`, `datasets`, `training`, `evaluation`, `registry`, `serving`, `rag`,
`monitoring`. Importing it sets the environment for the libraries that come after it: see `environment`.
"""

from twin import environment

environment.prepare()
