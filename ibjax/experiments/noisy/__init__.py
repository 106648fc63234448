"""Networks with noise in every hidden layer (Goldfeld et al.)."""
