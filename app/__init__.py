"""HTTP programs: `app.rag` (the twin), `app.inference` (the model container), `app.console` (traces, registry).

`app.http` is what the three share.
"""
