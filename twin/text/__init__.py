"""Words, links and trackers: what several rooms know of plain text, written once."""
