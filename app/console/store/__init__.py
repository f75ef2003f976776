"""What the console stores and means: stand-ins for services that cannot run locally, fed by the real SDKs."""
