"""Lists of pages that a site keeps for readers: feeds of every kind, sitemaps, and the platforms that offer them."""
