"""The fabric: a plan's network as readable steps, and the one program that applies them.

``compile`` (pure, used on the host) turns a plan into steps; everything else runs inside the fabric's own
namespace or container and imports nothing but the standard library and this package.
"""
