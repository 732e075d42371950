"""What a command puts out: lines for people, JSON for programs."""
