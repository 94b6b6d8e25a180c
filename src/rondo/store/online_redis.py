"""Online values in Redis, for servers on several machines.

All keys begin with `PREFIX:online:`, so that projects can share a Redis. `spaces` is a hash from space to generation;
`values:GENERATION` a hash from `=` + key to value, whose field `meta` holds what the publication says of itself and
stays as long as the generation does; `writing` a hash from generations being written to the moment (server's clock,
seconds) from which their publishers are taken for dead. Every step is one script, which Redis runs alone: a read sees
all of one moment in one round trip, and a generation that was taken away is never written to again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha1
from secrets import token_hex
from typing import Any, Protocol, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from rondo.errors import StoreError
from rondo.store.online_found import Found, space_name

SCHEMES = ("redis", "rediss", "unix")
BATCH, BATCH_BYTES = 1_000, 1 << 20
"""What one script writes at most: it holds up every reader for about a millisecond."""
CONNECT_S, READ_S = 1.0, 0.5
WRITE_S = 10.0
"""Writers are not in a hurry, and Redis may be busy saving."""
LEASE_S = 60.0
"""A generation that was not written to for so long may be taken away as a dead publisher's."""
_CERTIFICATES = {"ca": "ssl_ca_certs", "cert": "ssl_certfile", "key": "ssl_keyfile"}
_OPTIONS = ("prefix", "db", "connect_s", "read_s", *_CERTIFICATES)


@dataclass(frozen=True)
class Address:
    """Where a Redis is. `place` is what messages call it, `connection` what the client is made with: it has secrets."""

    place: str
    prefix: str
    connection: Mapping[str, object] = field(repr=False)
    connect_s: float = CONNECT_S
    read_s: float = READ_S


def read_address(url: str, *, project: str | None = None) -> Address:
    """The address in `redis[s]://USER:PASSWORD@HOST:PORT/DB?OPTIONS` or `unix://USER:PASSWORD@/SOCKET?OPTIONS`.

    Options: `prefix` (else `project`), `db`, `connect_s` and `read_s` (seconds), and for `rediss` the files `ca`,
    `cert` and `key`. User, password and prefix are percent-encoded. Raises StoreError, which repeats nothing of the URL
    but what is certainly no part of a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _unreadable("cannot be read as a URL") from None  # whose message could show a part of the password
    if parts.fragment:
        raise _unreadable("cannot be read as a URL")
    options = _options(parts)
    connection: dict[str, object] = {
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
    }
    if parts.scheme == "unix":
        if host or not parts.path.strip("/"):
            raise _unreadable("names no socket: unix:///run/redis.sock has three slashes")
        place = connection["unix_socket_path"] = unquote(parts.path)
        number = options.get("db", "0")
    else:
        if not host:
            raise _unreadable("names no host")
        place = f"{host}:{port or 6379}"
        connection |= {"host": host, "port": port or 6379, "ssl": parts.scheme == "rediss"}
        number = options.get("db") or parts.path.strip("/") or "0"
    if not (number.isascii() and number.isdigit()):
        raise _unreadable("names a database that is no number")
    connection["db"] = int(number)
    for name, argument in _CERTIFICATES.items():
        if name in options:
            if parts.scheme != "rediss":
                raise _unreadable(f"has {name}, which only rediss:// uses")
            connection[argument] = options[name]
    prefix = options.get("prefix") or project
    if not prefix:
        raise _unreadable("names no prefix, which keeps projects apart that share a Redis")
    return Address(
        place=f"{place} (database {number})",
        prefix=prefix,
        connection=connection,
        connect_s=_seconds(options, "connect_s", CONNECT_S),
        read_s=_seconds(options, "read_s", READ_S),
    )


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if any(name not in _OPTIONS for name in options):
        raise _unreadable(f"has an option that is none of {', '.join(_OPTIONS)}")
    return options


def _seconds(options: Mapping[str, str], name: str, default: float) -> float:
    try:
        seconds = float(options.get(name, default))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 3600:
        raise _unreadable(f"has a {name} that is no number of seconds")
    return seconds


def _unreadable(why: str) -> StoreError:
    return StoreError(
        f"The URL of the online values {why}.",
        next_step="Write `online` under [stores] in rondo.toml as redis://USER:PASSWORD@HOST:6379/0?prefix=NAME, with "
        "what is special in user and password percent-encoded.",
    )


class _Script:
    """What Redis runs alone, called by its SHA-1. KEYS: spaces, writing; ARGV[1]: what names of values begin with."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = sha1(text.encode()).hexdigest()


_READ = _Script("""
local found, at = {}, 2
while at < #ARGV do
  local generation, values = redis.call('HGET', KEYS[1], ARGV[at]), {}
  local last = at + 1 + tonumber(ARGV[at + 1])
  local name = generation and ARGV[1] .. generation
  if generation and redis.call('HEXISTS', name, 'meta') == 1 then
    for first = at + 2, last, 1000 do
      local some = redis.call('HMGET', name, unpack(ARGV, first, math.min(first + 999, last)))
      for each = 1, #some do values[#values + 1] = some[each] end
    end
  else
    generation = false
  end
  found[#found + 1] = generation
  found[#found + 1] = values
  at = last + 1
end
return found
""")

_PUBLISHED = _Script("""
local generation = redis.call('HGET', KEYS[1], ARGV[2])
return generation and {generation, redis.call('HGET', ARGV[1] .. generation, 'meta')}
""")

# ARGV: values, generation, lease, meta
_BEGIN = _Script("""
local now, writing = tonumber(redis.call('TIME')[1]), redis.call('HGETALL', KEYS[2])
for at = 1, #writing, 2 do
  if tonumber(writing[at + 1]) < now then
    redis.call('UNLINK', ARGV[1] .. writing[at])
    redis.call('HDEL', KEYS[2], writing[at])
  end
end
redis.call('HSET', KEYS[2], ARGV[2], now + ARGV[3])
redis.call('HSET', ARGV[1] .. ARGV[2], 'meta', ARGV[4])
""")

# ARGV: values, generation, lease, field, value, field, value, ...
_PUT = _Script("""
local name = ARGV[1] .. ARGV[2]
if redis.call('HEXISTS', name, 'meta') == 0 then return redis.error_reply('GONE the publication') end
redis.call('HSET', KEYS[2], ARGV[2], redis.call('TIME')[1] + ARGV[3])
redis.call('HSET', name, unpack(ARGV, 4))
""")

# ARGV: values, generation, space. Asked again after a lost answer, it gives the same one.
_POINT = _Script("""
local name = ARGV[1] .. ARGV[2]
if redis.call('HEXISTS', name, 'meta') == 0 then return redis.error_reply('GONE the publication') end
local before = redis.call('HGET', KEYS[1], ARGV[3])
if before ~= ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[3], ARGV[2])
  redis.call('HDEL', KEYS[2], ARGV[2])
  if before then redis.call('UNLINK', ARGV[1] .. before) end
end
return redis.call('HLEN', name) - 1
""")

# ARGV: values, generation. One that a space leads to is no longer in `writing`, and stays.
_ABANDON = _Script("""
if redis.call('HDEL', KEYS[2], ARGV[2]) == 1 then redis.call('UNLINK', ARGV[1] .. ARGV[2]) end
""")

_DROP = _Script("""
local before = redis.call('HGET', KEYS[1], ARGV[2])
if before then
  redis.call('HDEL', KEYS[1], ARGV[2])
  redis.call('UNLINK', ARGV[1] .. before)
end
""")


class RedisOnline:
    """`Online` in a Redis that any number of machines read and write. Nothing is asked of it before the first use.

    A space whose values Redis has evicted counts as not published.
    """

    local = False

    def __init__(self, address: Address, *, lease_s: float = LEASE_S) -> None:
        self._address = address
        self._lease_s = lease_s
        self._clients: tuple[int, _Client, _Client] | None = None
        names = f"{address.prefix}:online:"
        self._keys = (f"{names}spaces".encode(), f"{names}writing".encode(), f"{names}values:".encode())

    def publish(self, space: str, items: Iterable[tuple[bytes, bytes]], *, meta: Mapping[str, object]) -> int:
        """See `Online.publish`. Publications wait for nobody; of two of one space, the one that ends last stays."""
        name, told, generation = space_name(space), msgspec.json.encode(meta), token_hex(8)
        try:
            self._write(_BEGIN, generation, self._lease_s, told)
            for batch in _batches(items):
                self._write(_PUT, generation, self._lease_s, *batch)
            return int(self._write(_POINT, generation, name))
        except BaseException:
            with suppress(StoreError):  # a later publication takes it away
                self._write(_ABANDON, generation)
            raise

    def read(self, asked: Sequence[tuple[str, Sequence[bytes]]]) -> list[Found]:
        """See `Online.read`."""
        arguments: list[bytes | str | int] = []
        for space, keys in asked:
            arguments += (space, len(keys))
            arguments += [b"=" + key for key in keys]
        answer = self._run(self._client(writes=False), _READ, *arguments)
        return [
            Found(None, [None] * len(keys)) if generation is None else Found(generation, values)
            for (_, keys), generation, values in zip(asked, answer[::2], answer[1::2], strict=True)
        ]

    def published(self, space: str) -> tuple[bytes, dict[str, Any]] | None:
        """See `Online.published`."""
        generation, told = self._run(self._client(writes=False), _PUBLISHED, space) or (b"", None)
        return None if told is None else (generation, msgspec.json.decode(told, type=dict[str, Any]))

    def meta(self, space: str) -> dict[str, Any] | None:
        """See `Online.meta`."""
        published = self.published(space)
        return None if published is None else published[1]

    def spaces(self) -> list[str]:
        """See `Online.spaces`."""
        return sorted(name.decode() for name in self._ask(self._client(writes=False), "HKEYS", self._keys[0]))

    def drop(self, space: str) -> None:
        """See `Online.drop`."""
        self._write(_DROP, space)

    def _client(self, *, writes: bool) -> _Client:
        process = os.getpid()
        if self._clients is None or self._clients[0] != process:  # a fork may have caught locks of the client held
            read_s = self._address.read_s
            self._clients = process, _client(self._address, read_s), _client(self._address, max(WRITE_S, read_s))
        _, reader, writer = self._clients
        return writer if writes else reader

    def _write(self, script: _Script, *arguments: object) -> Any:
        return self._run(self._client(writes=True), script, *arguments)

    def _run(self, client: _Client, script: _Script, *arguments: object) -> Any:
        return self._ask(client, "EVALSHA", script.sha, 2, *self._keys, *arguments, text=script.text)

    def _ask(self, client: _Client, command: str, *arguments: object, text: str | None = None) -> Any:
        from redis.exceptions import NoScriptError, RedisError

        try:
            try:
                return client.execute_command(command, *arguments)
            except NoScriptError:  # it is new, or was started again
                return client.execute_command("EVAL", text, *arguments[1:])
        except (RedisError, OSError, UnicodeError) as error:  # the last for names that cannot be a host's
            raise _translated(error, self._address) from error


class _Client(Protocol):
    def execute_command(self, *arguments: object) -> Any: ...


def _batches(items: Iterable[tuple[bytes, bytes]]) -> Iterator[list[bytes]]:
    """Fields and values in turns, as many as one script may write."""
    batch: list[bytes] = []
    size = 0
    for key, value in items:
        batch += (b"=" + key, value)
        size += len(key) + len(value)
        if len(batch) >= 2 * BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _client(address: Address, answers_within_s: float) -> _Client:
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as NotConnected
        from redis.retry import Retry
    except ImportError as error:
        raise StoreError(
            "Online values in Redis need its client, which is not installed.",
            next_step="Install it: pip install 'rondo-ml[redis]'.",
        ) from error
    client = Redis(
        **address.connection,  # type: ignore[arg-type]
        socket_connect_timeout=address.connect_s,
        socket_timeout=answers_within_s,
        socket_keepalive=True,
        # Once, for a connection that went stale while it was idle. A read that took too long is not asked again.
        retry=Retry(NoBackoff(), 1, supported_errors=(NotConnected,)),
        protocol=2,
    )
    return cast("_Client", client)


_FORBIDDEN = ("NOAUTH", "NOPERM", "ACL failure", "can't run this command")
_REASONS = (
    ("GONE the publication", "lost a publication while it was written", "Run `rondo run` again; forbid evictions."),
    ("command not allowed when used memory", "is full", "Raise `maxmemory`: a space is twice there while published."),
    ("can't write against a read only", "is a read-only replica", "Write the URL of the primary into `online`."),
    ("MISCONF", "takes no writes, because it cannot save to its disk", "See its log, and make room on its disk."),
    ("loading the dataset", "is still loading its data", "Wait until it is done."),
    ("BUSY Redis is busy", "is busy with another script", "Try again."),
)
"""Signs in replies; older servers wrap what a script failed of, so a reply's class would not do."""


def _translated(error: Exception, address: Address) -> StoreError:
    """What a client's error means, without the password, should a reply repeat it."""
    from redis.exceptions import AuthenticationError, NoPermissionError
    from redis.exceptions import ConnectionError as NotConnected
    from redis.exceptions import TimeoutError as TooLong

    where, text = f"The Redis of the online values at {address.place}", str(error).rstrip(".")
    if secret := address.connection["password"]:
        text = text.replace(str(secret), "***")
    if isinstance(error, (AuthenticationError, NoPermissionError)) or any(sign in text for sign in _FORBIDDEN):
        return StoreError(
            f"{where} refuses the user or the password, or the user may not run scripts on {address.prefix}:online:*.",
            next_step="Mend the user and password in `online` under [stores], or the user's rights in Redis.",
        )
    for sign, reason, next_step in _REASONS:
        if sign in text:
            return StoreError(f"{where} {reason}.", next_step=next_step)
    if isinstance(error, TooLong):
        return StoreError(
            f"{where} does not answer within {address.connect_s:g} s (connecting) or {address.read_s:g} s (reading).",
            next_step="See whether it is overloaded, or give it longer: `connect_s` and `read_s` in the URL.",
        )
    if isinstance(error, (NotConnected, OSError, UnicodeError)):
        return StoreError(
            f"{where} cannot be reached: {text}.",
            next_step="See whether it runs there (`redis-cli ping`) and whether this machine may connect.",
        )
    return StoreError(f"{where} answered: {text}.", next_step="See its log, and whether it is Redis 6 or newer.")
