"""What the store tells its callers."""

from __future__ import annotations


class StoreError(Exception):
    """Base of the store's failures."""


class StoreBusy(StoreError):
    """The writer's queue is full, the disk is nearly full, or the database is out of reach; try again later."""


class LeaseLost(StoreError):
    """Somebody else owns the cursor now; what was read must be dropped and read again by them."""


class FolderInUse(StoreError):
    """Another daemon holds this data folder."""


class WeakDurability(StoreError):
    """The database is set up to lose what it promised."""


class NewerSchema(StoreError):
    """The database was written by a newer release."""
