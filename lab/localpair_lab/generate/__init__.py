"""Generated topologies: scenario files that nobody thought of, judged by the oracle and played with the product.

    sample = draw(seed=7, number=42)      # the same text for the same two numbers, everywhere
    sample.text                           # an ordinary scenario file, with the oracle's verdict as expectation

``topology`` makes the topologies out of chances, ``sample`` turns one into a file, ``expected`` asks the oracle,
``pool`` plays many at once, ``shrink`` takes out of a file what a disagreement does not need.
"""
