"""Scenario -> plan, one module for each part of a plan. All of it is pure; ``planner`` is the way in."""
