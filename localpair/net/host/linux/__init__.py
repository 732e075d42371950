"""What Linux says of its network: the routing socket, calls on plain sockets, policy rules, counters."""
