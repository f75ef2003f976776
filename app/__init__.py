"""HTTP programs: `app.rag` (the twin), `app.inference` (the model container), `app.console` (traces, registry)."""
