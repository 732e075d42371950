"""The terminal: keys, signals, the screen, progress, questions."""
