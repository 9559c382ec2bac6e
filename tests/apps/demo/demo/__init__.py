"""A site of standard parts only: no dependency, no build step, no network."""
