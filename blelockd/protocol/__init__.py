"""Pure values and rules: bytes and an Instant go in, values or an error come out.

Nothing here reads a clock, opens a file, waits, logs or draws random numbers.
The specification is docs/protocol.md; its vectors are tests/vectors/.
"""
