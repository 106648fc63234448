"""Deep linear students of noisy linear teachers, all informations exact."""
