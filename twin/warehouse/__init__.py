"""MongoDB: documents with their revisions and tombstones, sources, outcomes of collection, and interactions."""
