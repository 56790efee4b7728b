"""Graphs and flows: edges between the jobs of one engine."""
