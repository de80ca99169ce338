"""What `noli register` is made of."""
