"""The way to the web: politely, within a budget, and never to an address inside. `fetch.Fetcher` is the one door."""
