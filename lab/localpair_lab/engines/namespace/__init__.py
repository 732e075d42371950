"""The engine of network namespaces: plain Linux, without root where the kernel allows it."""
