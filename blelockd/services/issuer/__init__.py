"""What the issuer is for."""
