"""What every route has in common: its row in the table, types, errors, pages, limits."""
