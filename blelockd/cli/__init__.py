"""The commands blelock-issuer, blelock-lock and blelock-guest: argv in, exit status out.

What is wrong is told in a sentence, with what to do next; only a fault of ours shows a traceback.
"""
