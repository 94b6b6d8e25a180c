from __future__ import annotations

import pytest

from rondo.errors import DeclarationError
from rondo.project.rates import Rate
from rondo.project.serving import KEYS, Serving, size_text
from rondo.project.settings import read_settings

HEAD = '[project]\nname = "p"\n[serving]\n'


def test_everything_said_is_read(write) -> None:
    text = (
        'durability = "disk"\nkeep = "400d"\nlargest_body = "512KiB"\nmost_rows = 50\nrate = "600/m"\n'
        'certificate = "tls/server.pem"\nprivate_key = "tls/server.key"\nproxies = ["10.0.0.0/8", "::1"]\n'
    )
    assert read_settings(write({"rondo.toml": HEAD + text})).serving == Serving(
        durability="disk",
        keep_s=400 * 86_400,
        largest_body=512 << 10,
        most_rows=50,
        rate=Rate(600, "m"),
        certificate="tls/server.pem",
        private_key="tls/server.key",
        proxies=("10.0.0.0/8", "::1"),
    )


def test_every_key_is_documented_and_is_a_field() -> None:
    assert set(KEYS) == {name.removesuffix("_s") for name in Serving.__dataclass_fields__}
    assert [size_text(Serving().largest_body), size_text(1536 << 10)] == ["10MiB", "1536KiB"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('durability = "hope"', "durability is 'hope', not one of process, disk"),
        ("durability = 3", "durability is 3"),
        ('log = "some"', "log is 'some', not one of errors, all"),
        ('largest_body = "10MB"', "largest_body is '10MB', which is not a size"),
        ('largest_body = "0MiB"', "not a size"),
        ("largest_body = 1000", "not a size"),
        ("most_rows = 0", "most_rows is 0, not a count"),
        ("most_rows = true", "not a count"),
        ('most_rows = "5"', "not a count"),
        ('rate = "often"', "rate is 'often', which is not a rate"),
        ("certificate = 3", "certificate is 3, not the name of a file"),
        ('certificate = " "', "not the name of a file"),
        ('keep = "long"', "keep is 'long', which is not a length of time"),
        ('keep = "0d"', "keep is no time at all"),
        ("keep = 400", "keep is 400, which is not a length of time"),
        ('private_key = "k.pem"', "has no effect without a certificate"),
        ('proxies = "10.0.0.0/8"', "not a list"),
        ('proxies = ["10.0.0.1/8"]', "10.0.0.1/8 has host bits set"),
        ('proxies = ["proxy.example"]', "'proxy.example'"),
        ("proxies = [3]", "not a list"),
        ('colour = "red"', "colour is unknown"),
    ],
)
def test_what_is_wrong_names_its_line(write, line: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said) as refused:
        read_settings(write({"rondo.toml": HEAD + line + "\n"}))
    assert (refused.value.file, refused.value.line) == ("rondo.toml", 4)
