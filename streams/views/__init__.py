"""Views of tables for dashboards."""
