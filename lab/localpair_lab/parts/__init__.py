"""The parts of the scenario model, one module for each subject."""
