"""Published tables as spaces: one table = one file with NAME and RECIPE (tune_spaces/recipe.py); docs/recipes.md."""
