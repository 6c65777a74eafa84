"""The bench: what the agents are held to, measured on simulated worlds; it may import agents,
state, schemas and data.
"""
