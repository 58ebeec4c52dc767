"""Opening the databases: what each engine must be told so that a commit is a promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text

from store.errors import WeakDurability

#: SQLite's own memory for pages, KiB, of the writer and of each reader; small, because the operating system
#: caches the file anyway.
_CACHE_KIB, _READER_CACHE_KIB = 8_192, 2_048


def sqlite_url(folder: Path) -> str:
    """The URL of the embedded database in a data folder."""
    return f"sqlite:///{folder / 'forebay.db'}"


def open_engines(url: str, *, writers: int, readers: int) -> tuple[Engine, Engine]:
    """A writing and a reading engine. A PostgreSQL URL may be given in its ordinary form."""
    if url.startswith("sqlite"):
        return _sqlite(url, write=True, size=1), _sqlite(url, write=False, size=readers)
    return _postgres(url, writers), _postgres(url, readers)


def _sqlite(url: str, *, write: bool, size: int) -> Engine:
    engine = create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        connect_args={
            "check_same_thread": False,
            "timeout": 30,
            "isolation_level": None,
            "cached_statements": 512,
        },
        query_cache_size=500,
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        run = connection.execute
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")  # NORMAL may roll back what was promised, on power loss
        run("PRAGMA busy_timeout=30000")
        run("PRAGMA temp_store=MEMORY")
        run("PRAGMA secure_delete=ON")  # what is deleted is not left lying in the file
        run(f"PRAGMA cache_size=-{_CACHE_KIB if write else _READER_CACHE_KIB}")
        run("PRAGMA wal_autocheckpoint=16000")  # pages: fewer, larger check points write hot pages once
        run("PRAGMA journal_size_limit=67108864")
        if not write:
            run("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver is in autocommit mode, so that it never opens a transaction later than we think.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgres(url: str, size: int) -> Engine:
    _, _, rest = url.partition("://")
    return create_engine(
        f"postgresql+psycopg://{rest}",
        pool_size=size,
        max_overflow=1,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "options": "-c synchronous_commit=on -c timezone=UTC -c application_name=forebay",
            "connect_timeout": 10,
        },
        query_cache_size=500,
    )


def check_durability(connection: Connection) -> None:
    """Refuse an engine that would call a commit done before it is on the disk."""
    if connection.dialect.name == "sqlite":
        mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        level = connection.execute(text("PRAGMA synchronous")).scalar_one()
        if str(mode).lower() != "wal" or int(level) < 2:
            raise WeakDurability(
                f"SQLite runs with journal_mode={mode}, synchronous={level}; WAL and FULL are needed"
            )
        return
    for name in ("synchronous_commit", "fsync", "full_page_writes"):
        value = connection.execute(text(f"SHOW {name}")).scalar_one()
        if value in ("off", "local"):
            raise WeakDurability(f"PostgreSQL runs with {name}={value}; set it to on in postgresql.conf")
