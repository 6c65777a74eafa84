"""What a tenant learns of its recommendations: which kinds are approved, and how well that is
foreseen.
"""
