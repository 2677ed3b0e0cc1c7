"""Speed beside torch: the operators on named shapes, and what the checking itself costs."""
