"""Which images of train carry a label: how many, which ones, in which groups, from and to published lists."""
