"""The name under which programs of others import Mendstream; `mendstream.client` is for them.

Nothing of Mendstream imports from here, and this imports none of the processor's dependencies.
"""
