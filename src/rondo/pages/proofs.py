"""Proofs and people as pages show them."""

from __future__ import annotations

from urllib.parse import parse_qsl

from markupsafe import Markup

from rondo.handbook.proofs import Proof
from rondo.language.words import Language
from rondo.pages.frame import Frame
from rondo.project.people import ROLES


def linked(frame: Frame, said: object, address: str | None) -> Markup:
    """A sentence linked to the page it can be seen on."""
    if address is None:
        return Markup("{}").format(said)
    path, _, query = address.partition("?")
    return frame.link(said, path, **dict(parse_qsl(query)))


def shown(frame: Frame, proof: Proof) -> Markup:
    """A proof with its page and its day."""
    day = Markup(' <span class="ci">{}</span>').format(frame.words.day(proof.at)) if proof.at else Markup()
    return linked(frame, proof.said, proof.address) + day


def role_name(words: Language, role: str) -> str:
    """A role as people read it; one of the project's own as it is written."""
    return words.known(ROLES[role]) if role in ROLES else role
