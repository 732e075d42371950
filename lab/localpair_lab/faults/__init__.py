"""Generated faults: topologies that pair until one or two known faults are put into them, and what is said of why.

    sample = draw(seed=7, number=42, count=1)      # the same file for the same numbers, everywhere
    sample.faults                                  # what was put in, and who can know it

``catalogue`` holds the faults, ``drawing`` puts them into topologies for which the oracle then knows no way, ``plays``
plays many at once, ``grading`` holds what each screen said against what was put in, and ``table`` counts.
"""
