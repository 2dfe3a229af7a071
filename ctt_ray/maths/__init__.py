"""The mathematics: pure functions of tensors and plain numbers; docs/equations.md maps every equation to its function.

Tensor names end in their shape:
    B batch · K classes · C or 3 channels · HW image size · hw feature size · D embedding
    N queue slots a class · M rows (pixels, in the order b, h, w) · T candidates a class and push · Q sampled rows

Nothing here knows a configuration, a rank or a clock. What has to be global under data parallelism (denominators,
class counts) is returned as a sum and a count, or is an argument, so that the caller can add it over the workers.
"""
