"""HTTP programs: `app.rag` (the twin), `app.inference` (the model container), `app.console` (traces, registry).

`app.connection` is what those that generate share: noticing that a client went away.
"""
