"""A noisy convolutional network measured through compression (Butakov et al.)."""
