"""From a question to an answer in the author's voice: retrieve, prompt, generate, cite."""
