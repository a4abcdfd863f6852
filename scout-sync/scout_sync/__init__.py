"""Scout Sync as one installation: everything that it needs, and the command ``scout``.

The code is in the distributions that this one requires. It exists because installers of programs,
such as pipx, expose only the commands of the distribution that was named.
"""
