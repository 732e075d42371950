"""When no pair came about: what gives up, what is said, and whose fault it is."""
