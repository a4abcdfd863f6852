"""The demo: sandbox and embedded Postgres on this machine, one real run between them.

It does by itself what people do in production by hand, through the same worker; nothing outside the
demo may need it.
"""
