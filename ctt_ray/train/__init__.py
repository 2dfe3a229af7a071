"""The train room: one loop for every kind of run, and Ray Train around it."""
