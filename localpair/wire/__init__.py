"""Bytes or text to frozen values and back. Nothing here keeps state, reads a clock or opens a socket."""
