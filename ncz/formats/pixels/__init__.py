"""Files that hold one picture: its pixels taken out, and the file put back byte for byte."""
