"""A stranger's harness: a tenant sends what it likes on every input while another one's experiments
must go on as ever.
"""
