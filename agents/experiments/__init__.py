"""The judge: running evidence for every experiment, treatment and metric, looked at after each
event.
"""
