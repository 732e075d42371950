"""What a person or a program chooses: settings, terms, what is sent, and rules for a device."""
