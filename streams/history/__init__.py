"""The past from the log: folded again, explained, compared, tried under another policy."""
