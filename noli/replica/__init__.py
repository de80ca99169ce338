"""A local copy of the decisions, and the last-moment check that answers from it."""
