"""The defaults of skmm beside what a practitioner would use instead."""
