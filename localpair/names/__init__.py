"""What devices are called on screens, and what a screen shows of a text that came from elsewhere."""
