"""How a version comes into service and out of it again."""
