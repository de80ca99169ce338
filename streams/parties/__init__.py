"""The parties processor: what a person does on all contacts reaches each of them."""
