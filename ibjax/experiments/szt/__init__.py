"""Shwartz-Ziv and Tishby's networks on the information plane."""
