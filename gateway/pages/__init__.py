"""The pages: files of their own, served as they are, that use nothing but the API."""
