"""All fusions on equal terms."""
