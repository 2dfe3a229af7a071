"""One HTML page out of the files that a campaign or a run left behind; no cluster, no network."""
