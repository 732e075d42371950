"""What this computer says of its own network: interfaces, routes, rules, neighbours, and their changes."""
