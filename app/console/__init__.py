"""The console: an Opik receiver, a Comet stand-in, and the pages for traces, experiments, models and review."""
