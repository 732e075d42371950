"""Scenario -> plan, one module for each part of a plan. All of it is pure; ``lab.planner`` is the way in."""
