"""What a device remembers: its own key, and the devices it is paired with."""
