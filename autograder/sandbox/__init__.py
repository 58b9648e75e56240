"""Running student code where it can harm nobody: the wire format, the isolation, the zygote, the worker, the client.

`wire`, `isolation`, `guards`, `worker` and `zygote` run inside the sandbox and import nothing else of this repository;
`client` runs in the trusted process and is the only door.
"""
