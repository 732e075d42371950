"""Texts and pipes: what goes out without a folder, and what comes in without one."""
