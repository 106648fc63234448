"""A convolutional network on images."""
