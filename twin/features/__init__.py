"""From cleaned documents to passages, vectors and the index that searches them."""
