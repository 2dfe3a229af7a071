"""Ray Tune pickles what it is given, to restore an experiment. Ours never is: the campaign's folder is the state."""

from __future__ import annotations


class Unsaved:
    """Mixin: pickled as an empty object, whatever open files, threads and locks it holds."""

    def __getstate__(self) -> dict[str, object]:
        return {}
