"""What keeps programs of a node away from the machine: accounts, filters, a root of their own."""
