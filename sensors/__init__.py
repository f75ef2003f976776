"""When to run: what starts jobs by itself."""
