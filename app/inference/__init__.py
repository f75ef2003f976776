"""The model container: one model behind `/ping` and `/invocations`, in OpenAI's chat-completions schema.

`schema` is what goes over the wire, `model` finds what a folder holds and loads the engine for it, `engine` says what
an engine is, `llama` and `torch_engine` are the two, `service` admits, queues and cancels, `server` is the HTTP of it,
`__main__` the program.
"""
