"""The documents at the root are true: what they name is there, and what is there they name."""
