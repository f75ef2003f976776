"""The model endpoint: the streaming client, the endpoint that is deployed to, and the processes behind it.

`client` speaks to any chat-completions server; `process` runs one model for the length of a block; `endpoint` says what
an endpoint is, `local` is one on this machine, and `host` is the program that keeps it running.
"""
