"""`python -m data_prep {SOURCE,split,verify,leaks,show,card}`: the one place of this package that parses.

stdout = the result (`--json`: as JSON), stderr = progress. Exit codes: 0 done · 2 usage or configuration ·
3 data check failed · 4 the machine said no · 75 interrupted, the same command goes on · 130 interrupted before any work.
Heavy imports happen inside the commands: `--help` answers at once.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tyro

from data_prep.errors import UsageError, WorkerDied
from data_prep.options import CardOptions, LeakOptions, ShowOptions, SplitOptions, VerifyOptions, WriteOptions
from data_prep.schema import DataError
from data_prep.sources import SOURCES
from data_prep.sources.raw import Source

DESCRIPTION = "Raw data sets to Arrow shards, a manifest and labelled splits."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a user's mistake is a message, never a traceback."""
    commands: dict[str, Callable[..., int]] = {name: _prepare_command(kind) for name, kind in SOURCES.items()}
    commands |= {"split": _split, "verify": _verify, "leaks": _leaks, "show": _show, "card": _card}
    try:
        code: int = tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="python -m data_prep",
            description=DESCRIPTION,
            args=list(sys.argv[1:] if argv is None else argv),
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        )
        return code
    except UsageError as error:
        return _fail(error, 2)
    except DataError as error:
        return _fail(error, 3)
    except OSError as error:
        where = error.filename or "the disk"
        return _fail(f"{where}: {error.strerror or error}. Make room or give rights, then run it again.", 4)
    except WorkerDied as error:
        return _fail(error, 4)
    except KeyboardInterrupt:
        return _fail("interrupted before anything was saved.", 130)


def _prepare_command(kind: type[Source]) -> Callable[..., int]:
    def command(source: Any, write: WriteOptions) -> int:
        return _prepare(source, write)

    command.__annotations__["source"] = kind  # tyro reads the options of a command from its annotations
    command.__doc__ = kind.__doc__
    return command


def _prepare(source: Source, write: WriteOptions) -> int:
    from data_prep.console import counter
    from data_prep.prepare import prepare
    from data_prep.progress import load_progress

    try:
        with _terminable(), counter(_say) as shown:
            prepared = prepare(source.open(), write, _say, shown)
    except KeyboardInterrupt:
        saved = load_progress(write.out)
        if saved is None or not saved.parts:
            raise
        return _fail("interrupted; the same command goes on where it stopped.", 75)
    manifest = prepared.manifest
    result = {
        "out": str(write.out),
        "up_to_date": prepared.up_to_date,
        "content_hash": manifest.content_hash,
        "classes": len(manifest.classes),
        "quarantined": manifest.quarantined,
        "splits": {
            name: {"rows": split.rows, "with_mask": split.with_mask, "shards": len(split.shards)}
            for name, split in manifest.splits.items()
        },
    }
    lines = [f"{write.out} is up to date." if prepared.up_to_date else f"{write.out} is ready."]
    for name, split in manifest.splits.items():
        lines.append(f"{name}: {split.rows} images, {split.with_mask} with a mask, {len(split.shards)} shards")
    if manifest.quarantined:
        lines.append(f"{manifest.quarantined} quarantined: see {write.out / 'quarantine.csv'}")
    lines.append(f"{len(manifest.classes)} classes, content hash {manifest.content_hash[:12]}")
    return _print(result, lines, write.json)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, with which schedulers and machines end a process, means what Control-C means."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _split(options: SplitOptions) -> int:
    """Choose which training images are labelled (by fraction, count, groups or an imported list)."""
    from data_prep.splits import How, make_nested, make_split

    if options.export or options.out:
        return _export(options)
    how = How(options.balance, options.group, options.inside)
    if options.nested:
        if options.labelled or options.ids or options.name:
            raise UsageError("--nested brings its own amounts and names: drop --labelled, --ids and --name.")
        amounts = options.nested.split(",")
        made = make_nested(options.data, amounts, seed=options.seed, how=how, say=_say)
    else:
        made = [
            make_split(
                options.data,
                options.labelled,
                ids=options.ids,
                seed=options.seed,
                name=options.name,
                how=how,
                say=_say,
            )
        ]
    for split in made:
        for note in split.notes:
            _say(note)
    result = {"nested": [split.to_dict() for split in made]} if options.nested else made[0].to_dict()
    return _print(result, [line for split in made for line in split.table()], options.json)


def _export(options: SplitOptions) -> int:
    from data_prep.labelled.exporting import export_split

    if options.labelled or options.ids or options.nested or not (options.export and options.out):
        raise UsageError(
            "--export NAME --out PATH writes a list of a split that is there; --labelled, --ids and --nested make one."
        )
    made = export_split(options.data, options.export, options.format, options.out)
    files = [str(file) for file in made.files]
    again = f"python -m data_prep split {options.data} {made.read_again}"
    result = {"files": files, "labelled": made.labelled, "unlabelled": made.unlabelled, "read_again": again}
    lines = [f"{' and '.join(files)}: {made.labelled} labelled, {made.unlabelled} unlabelled", f"read again: {again}"]
    return _print(result, lines, options.json)


def _verify(options: VerifyOptions) -> int:
    """Read everything again and check it."""
    from data_prep.verify import verify

    report = verify(options.data, _say)
    _print(report.to_dict(), report.lines(), options.json)
    return 3 if report.problems else 0


def _leaks(options: LeakOptions) -> int:
    """Find images that two splits share or that look alike, and drives or cities that lie in two."""
    from data_prep.leaks.find import find_leaks
    from data_prep.leaks.pairs_sheet import draw_pairs
    from data_prep.sheet import check_png

    check_png(options.out)
    leaks = find_leaks(options.data, near=options.near, group=options.group, say=_say)
    drawn = draw_pairs(options.data, leaks, options.out)
    _say(f"most similar pairs: {options.out}" if drawn else "no two pictures of two splits look alike: no sheet.")
    _print(leaks.to_dict(), leaks.lines(), options.json)
    return 3 if leaks.exact or (options.strict and leaks.near) else 0


def _show(options: ShowOptions) -> int:
    """Write a contact sheet with the masks laid over and a plot of the classes, and print their table."""
    from data_prep.show import plot_beside, show

    shown = show(options.data, options.out, count=options.count, split=options.split)
    _say(f"contact sheet: {options.out}, classes: {plot_beside(options.out)}")
    return _print(shown.to_dict(), shown.table(), options.json)


def _card(options: CardOptions) -> int:
    """Write a data set card in Markdown, with a contact sheet and a plot of the classes."""
    from data_prep.card import write_card

    card = write_card(options.data, options.out or options.data / "CARD.md")
    files = {name: str(path) for name, path in vars(card).items()}
    return _print(files, list(files.values()), options.json)


def _print(result: object, lines: Sequence[str], as_json: bool) -> int:
    print(json.dumps(result, indent=1) if as_json else "\n".join(lines))
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(message: object, code: int) -> int:
    _say(f"data_prep: {message}")
    return code


if __name__ == "__main__":
    sys.exit(main())
