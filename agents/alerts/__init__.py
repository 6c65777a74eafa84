"""Rules that say when somebody is told, and that keep a storm of broken rules from becoming one of
alerts.
"""
