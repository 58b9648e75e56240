"""The reference library of the course: one lecture topic, one module; what is nobody's subject lies in `kit`."""
