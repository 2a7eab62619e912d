"""Many machines, one identity: perception on each, the identity service on one, Ray between them."""
