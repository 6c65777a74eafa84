"""The rows of arms, and how each is linked to those it is compared with."""
