"""Addresses that only those know who were given them: each carries a token that binds it to what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from model.ids import same_token, seal, tidy_reference, token, unseal

#: Stands for the unchanged bytes, where an attachment has its number.
RAW = "raw"
#: Goes before the number of a file that we sent; its address names the delivery.
SENT = "sent"


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and checks the addresses of status pages and files.

    They hold for as long as what they show is kept: consumers keep records and follow the links later.
    """

    public_url: str
    key: bytes

    def status(self, reference: str) -> str:
        """The customer's status page; good from acceptance on, before there is a record."""
        return f"{self.public_url}/status/{reference}.{self._sign('status', reference)}"

    def question(self, id_: str) -> str:
        """The page that asks one customer, once, whether they are satisfied."""
        return f"{self.public_url}/q/{seal(self.key, 'question', id_)}"

    def read_question(self, address: str) -> str | None:
        """The question of such an address, or None when we did not make it."""
        return unseal(self.key, "question", address)

    def file(self, envelope: str, n: int) -> str:
        """Attachment `n` of an envelope."""
        return self._file(envelope, str(n))

    def raw(self, envelope: str) -> str:
        """The unchanged bytes of an envelope."""
        return self._file(envelope, RAW)

    def sent(self, delivery: str, n: int) -> str:
        """File `n` of an answer of ours."""
        return self._file(delivery, f"{SENT}{n}")

    def _file(self, owner: str, part: str) -> str:
        return f"{self.public_url}/files/{owner}.{part}.{self._sign('file', owner, part)}"

    def read_status(self, address: str) -> str | None:
        """The reference of a status address, or None when we did not make it."""
        reference, _, given = address.rpartition(".")
        reference = tidy_reference(reference)
        return reference if same_token(given.lower(), self._sign("status", reference)) else None

    def read_file(self, address: str) -> tuple[str, str] | None:
        """Owner and part (a number, `raw`, or `sent` and a number) of a file address of our making, or None."""
        owner, part, given = [*address.split("."), "", "", ""][:3]
        return (owner, part) if same_token(given, self._sign("file", owner, part)) else None

    def _sign(self, *parts: str) -> str:
        return token(self.key, *parts)
