"""Files as they lie in a folder: from bytes to text, from a form to a draft, and whether they changed."""
