"""Modules made of several nets or heads: branches, gates, stacks of replicas."""
