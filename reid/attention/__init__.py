"""Attention modules that follow a stage of a backbone."""
