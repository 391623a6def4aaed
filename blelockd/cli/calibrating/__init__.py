"""`blelock-lock calibrate`: its verb, its screen, its words and its picture."""
