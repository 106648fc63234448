"""Fewer and more inputs to train on (Shwartz-Ziv and Tishby, Fig. 3)."""
