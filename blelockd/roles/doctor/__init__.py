"""`doctor`: looks at all that a daemon depends on, and names what is wrong with its remedy.

It changes nothing, and needs no daemon that runs. One file for each thing that is looked at.
"""

from blelockd.roles.doctor.examination import Patient, diagnose

__all__ = ["Patient", "diagnose"]
