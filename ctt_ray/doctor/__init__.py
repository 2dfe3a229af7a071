"""The doctor room: small checks of this machine, its packages, a folder and a cluster, each one line."""
