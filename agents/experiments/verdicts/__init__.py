"""Where evidence crosses a line: the decision, its words, and what it waits for."""
