"""Which right each address of the desk needs: one table. What is not in it, only the administrator's token may."""

from __future__ import annotations

from collections.abc import Mapping

from model.roles import Right

_R = Right

#: By method and path as it is routed. Pages that lead on by themselves, and leaving, need nothing but a log-in.
NEEDS: Mapping[tuple[str, str], Right | None] = {
    ("GET", "/desk"): None,
    ("POST", "/desk/logout"): None,
    ("GET", "/desk/password"): None,
    ("POST", "/desk/password"): None,
    ("GET", "/desk/records"): _R.SEE,
    ("GET", "/desk/records/{reference}"): _R.SEE,
    ("GET", "/desk/records/{reference}/html"): _R.SEE_PERSON,
    ("GET", "/desk/records/{reference}/file"): _R.SEE,
    ("GET", "/desk/record-list"): _R.SEE,
    ("POST", "/desk/records/{reference}/here"): _R.SEE,
    ("POST", "/desk/records/{reference}/case"): _R.ACT,
    ("POST", "/desk/records/{reference}/replies"): _R.ANSWER,
    ("POST", "/desk/records/{reference}/undo"): _R.ANSWER,
    ("POST", "/desk/records/{reference}/contact"): _R.TAKE_IN,
    ("GET", "/desk/reviews"): _R.REVIEW,
    # Who wrote an answer may take it back; who may look at it is checked with it.
    ("POST", "/desk/records/{reference}/review"): _R.SEE_PERSON,
    ("GET", "/desk/surges"): _R.SEE_ALL,
    ("GET", "/desk/surges/{id}"): _R.SEE_ALL,
    ("POST", "/desk/surges/{id}"): _R.TAKE_IN,
    ("GET", "/desk/report"): _R.REPORT,
    ("GET", "/desk/report/file"): _R.REPORT,
    ("GET", "/desk/note"): _R.TAKE_IN,
    ("POST", "/desk/note"): _R.TAKE_IN,
    ("POST", "/desk/note/people"): _R.TAKE_IN,
    ("GET", "/desk/note/calls"): _R.TAKE_IN,
    ("POST", "/desk/note/calls"): _R.TAKE_IN,
    ("GET", "/desk/note/{reference}"): _R.TAKE_IN,
    ("GET", "/desk/callbacks"): _R.TAKE_IN,
    ("POST", "/desk/callbacks/{id}"): _R.TAKE_IN,
    ("GET", "/desk/held/{id}"): _R.TAKE_IN,
    ("POST", "/desk/held/{id}"): _R.TAKE_IN,
    ("GET", "/desk/held/{id}/pages/{n}"): _R.TAKE_IN,
    ("GET", "/desk/bundles"): _R.TAKE_IN,
    ("POST", "/desk/bundles"): _R.TAKE_IN,
    ("GET", "/desk/bundles/{id}"): _R.TAKE_IN,
    ("POST", "/desk/bundles/{id}"): _R.TAKE_IN,
    ("GET", "/desk/bundles/{id}/{what}.pdf"): _R.TAKE_IN,
    ("GET", "/desk/mend"): _R.MEND,
    ("POST", "/desk/mend/{box}"): _R.MEND,
    ("GET", "/desk/channels"): _R.OPERATE,
    ("POST", "/desk/channels/{name}"): _R.OPERATE,
    ("GET", "/desk/import"): _R.OPERATE,
    ("POST", "/desk/import"): _R.OPERATE,
    ("GET", "/desk/import/{id}"): _R.OPERATE,
    ("GET", "/desk/import/{id}/errors"): _R.OPERATE,
    ("POST", "/desk/import/{id}"): _R.OPERATE,
    ("GET", "/desk/posters"): _R.OPERATE,
    ("GET", "/desk/posters/print"): _R.OPERATE,
    ("GET", "/desk/persons"): _R.PERSONS,
    ("POST", "/desk/persons"): _R.PERSONS,
    ("GET", "/desk/trail"): _R.TRAIL,
    ("GET", "/desk/users"): _R.USERS,
    ("POST", "/desk/users"): _R.USERS,
    ("POST", "/desk/users/{name}"): _R.USERS,
}


def allowed(rights: frozenset[Right], method: str, path: str) -> bool:
    """Whether somebody with these rights may go there; `path` as it is routed. What is unknown needs every right."""
    key = ("GET" if method == "HEAD" else method, path)
    if key not in NEEDS:
        return rights == frozenset(Right)
    needed = NEEDS[key]
    return needed is None or needed in rights
