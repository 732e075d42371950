"""From the reports of one or two devices to a scenario that fails as they did.

``evidence`` reads reports, ``guess`` stands in for a device that has sent none, ``topology`` draws the network that the
facts show, ``recipes`` says for each cause what brings it about, ``build`` puts these together and asks the oracle, and
``minimise`` leaves out of a scenario what its failure does not need.
"""
