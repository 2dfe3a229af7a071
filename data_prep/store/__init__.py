"""Data sets that lie in a store and not in a folder: read by URL, shards kept in a bounded cache on this machine's disk."""
