"""data_prep: raw data sets to Arrow shards, a manifest and split files."""
