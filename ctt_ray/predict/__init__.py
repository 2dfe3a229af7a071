"""The predict room: images in, index masks and colour overlays out."""
