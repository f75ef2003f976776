"""The model container: one model behind `/ping` and `/invocations`, in OpenAI's chat-completions schema.

`schema` is what goes over the wire, `model` finds what a folder holds, `llama` and `torch_engine` generate, `service`
admits, queues and cancels, `server` is the HTTP of it, `__main__` the program.
"""
