"""The interface for agents (Model Context Protocol): translates requests for ``access``.

It has no rules. ``server`` speaks the protocol, ``tools`` lists the tools; ``stdio`` and ``http``
are its two transports.
"""
