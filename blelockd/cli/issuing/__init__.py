"""The verbs of blelock-issuer alone: locks, guests, policy, and the record of what was decided."""
