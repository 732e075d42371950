"""The kernel's interfaces that the fabric uses: netlink, namespaces, clocks, sandboxes, processes."""
