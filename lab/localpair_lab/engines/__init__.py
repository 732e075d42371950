"""The engines that carry plans out. Nothing here is imported before it is asked for, so no engine needs to
be installed.
"""
