"""What stands in the log about a contact, and what it meant at any moment."""
