"""Live metrics: what each record changes in numpy records, the rest in rows."""
