"""Networks of one to six hidden layers, and of three widths."""
