"""What the suite catches: the planted faults run as subjects, and other methods beside it."""
