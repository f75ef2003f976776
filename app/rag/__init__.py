"""The twin over HTTP: search, answers whole and streamed, an OpenAI-compatible route, health, metrics, a chat page."""
