"""Change of the loss in a step of gradient descent, beside what the gradient says."""
