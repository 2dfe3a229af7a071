"""Small networks trained beside the students: critics, correctors, decoders. Each is drawn from torch's own generator, which
the caller seeds as ctt_ray/nets/factory.py does. GroupNorm, never BatchNorm: no statistics to keep equal over workers."""
