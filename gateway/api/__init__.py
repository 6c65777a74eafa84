"""The routes, a module for each family: handlers, and their rows of the table."""
