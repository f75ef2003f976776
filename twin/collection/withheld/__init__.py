"""What is not for readers: whole documents by their marks and the user's patterns, and pieces inside of a text."""
