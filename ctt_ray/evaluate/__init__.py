"""The evaluate room: the scores of a checkpoint's networks on a prepared data set."""
