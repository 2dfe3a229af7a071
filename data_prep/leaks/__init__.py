"""Images of one split that are, or look like, images of another; and drives, cities, folders that lie in two."""
