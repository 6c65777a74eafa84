"""The verifier of commands under its public name; `streams/signing/verifier.py` is the file to
copy.
"""

from streams.signing.verifier import *  # noqa: F403
