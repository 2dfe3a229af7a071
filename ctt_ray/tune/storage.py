"""Where the Optuna study lies: a journal file in the campaign's folder, or any database that Optuna opens by URL.

Either way it is a projection that is written anew on every start; only a study that a campaign made itself is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ctt_ray.cli import ClusterError
from ctt_ray.config import ConfigError

OWNER = "campaign"  # user attribute of a study: the folder that it is the projection of
SQLITE_WAIT_S = 60  # for a reader's lock, such as a dashboard's


def empty_study(where: Path | str, name: str, owner: Path, directions: Sequence[str]) -> optuna.Study:
    """A new study; the one that was there is deleted. Raises ConfigError if that one is not `owner`'s, or the database
    cannot be used. where: a journal file, or the URL of a database."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if isinstance(where, Path):
        for old in (where, where.with_name(where.name + ".lock")):  # a killed process' lock would be waited for
            old.unlink(missing_ok=True)
        where.parent.mkdir(parents=True, exist_ok=True)
        storage: BaseStorage = JournalStorage(JournalFileBackend(str(where)))
        return _owned(optuna.create_study(study_name=name, storage=storage, directions=directions), owner)
    with _said(where):
        storage = database(where)
        if _exists(storage, name, owner, where):
            optuna.delete_study(study_name=name, storage=storage)
        return _owned(optuna.create_study(study_name=name, storage=storage, directions=directions), owner)


def check_free(where: Path | str, name: str, owner: Path) -> None:
    """Raises ConfigError unless a study of that name may be written there."""
    if isinstance(where, str):
        with _said(where):
            _exists(database(where), name, owner, where)


def database(url: str) -> RDBStorage:
    """Opens it, and makes its tables if it has none."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parsed = make_url(url)
    waits = {"connect_args": {"timeout": SQLITE_WAIT_S}} if parsed.get_backend_name() == "sqlite" else {}
    # A connection may have been cut during the hours between two trials; it is tried before it is used.
    return RDBStorage(
        driven(parsed).render_as_string(hide_password=False), engine_kwargs={"pool_pre_ping": True, **waits}
    )


def driven(url: URL) -> URL:
    """PostgreSQL by the driver that is installed, unless the URL names one."""
    if url.drivername not in ("postgresql", "postgres"):
        return url
    return url.set(drivername="postgresql+psycopg" if find_spec("psycopg") else "postgresql+psycopg2")


@contextmanager
def watched(url: str) -> Iterator[None]:
    """Raises ClusterError if the database is lost while a campaign runs: its truth lies elsewhere."""
    try:
        yield
    except Exception as error:
        lost = isinstance(error, (SQLAlchemyError, optuna.exceptions.StorageInternalError))
        # Ray hands on what a searcher raises as the text of an exception of its own.
        said = [
            line for line in str(error).splitlines() if line.startswith(("sqlalchemy.exc.", "optuna.exceptions.Sto"))
        ]
        if not url or not (lost or said):
            raise
        why = said[0] if said else _first_line(error)
        raise ClusterError(
            f"the database of --study {shown(url)} was lost: {why}; the campaign's files are whole and the same command goes on"
        ) from None


def shown(where: Path | str) -> str:
    """For people: without the password."""
    return str(where) if isinstance(where, Path) else make_url(where).render_as_string(hide_password=True)


def _owned(study: optuna.Study, owner: Path) -> optuna.Study:
    study.set_user_attr(OWNER, str(owner))
    return study


def _exists(storage: RDBStorage, name: str, owner: Path, where: str) -> bool:
    """Whether there is a study of that name. Raises ConfigError if another's it is; an empty one that nobody claims is
    what a kill left between making a study and claiming it."""
    found = next((each for each in storage.get_all_studies() if each.study_name == name), None)
    if found is None:
        return False
    claimed = found.user_attrs.get(OWNER)
    if claimed == str(owner) or (claimed is None and not storage.get_n_trials(found._study_id)):
        return True
    whose = f"it belongs to the campaign in {claimed}" if claimed else "no campaign made it"
    raise ConfigError(
        f"{shown(where)} has a study '{name}' that is not this campaign's ({whose}) and would be replaced; use another "
        "--name or another --study, or delete that study if nobody needs it"
    )


@contextmanager
def _said(url: str) -> Iterator[None]:
    """What goes wrong with a database, as ConfigError."""
    try:
        yield
    except ArgumentError:
        raise ConfigError(
            f"--study {url} is no database URL; write one like sqlite:///study.db or postgresql://user@host/name"
        ) from None
    except ImportError:
        raise ConfigError(
            f"--study {shown(url)}: no driver for this kind of database is installed; "
            "for PostgreSQL: pip install 'ctt-ray[postgres]'"
        ) from None
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise ConfigError(f"--study {shown(url)} cannot be used: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error.__cause__ or error).strip().splitlines()[0]
