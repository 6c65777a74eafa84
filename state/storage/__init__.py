"""Storage of rows: one interface, a table of dataclasses and a table of numpy columns."""
