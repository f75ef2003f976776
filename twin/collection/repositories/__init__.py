"""Git repositories: run so that they cannot run anything themselves, and which of their files people wrote."""
