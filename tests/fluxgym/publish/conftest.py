"""A run that is done, and a Hub that takes uploads; see a_run.py."""

from tests.fluxgym.publish.a_run import folder, hub

__all__ = ["folder", "hub"]
