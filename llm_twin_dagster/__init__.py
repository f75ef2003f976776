"""The composition root: definitions, jobs, schedules, the `llm-twin` CLI and the local stack."""
