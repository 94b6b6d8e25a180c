"""YAML with lines: the header of a SQL file, the front matter of a document."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from rondo.errors import DeclarationError


@dataclass(frozen=True)
class Header:
    """A YAML mapping, with the line each key stands on (counted in the file)."""

    values: Mapping[str, object]
    lines: Mapping[str, int]
    file: str
    first_line: int
    item_lines: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def refuse_unknown(self, allowed: Sequence[str]) -> None:
        """Raise on a key that is not among `allowed`, naming those that are."""
        for name in self.values:
            if name not in allowed:
                raise DeclarationError(
                    f"{self.file} has an unknown key {name!r}; it may have: {', '.join(allowed)}.",
                    next_step="Use one of these keys, or take it out.",
                    file=self.file,
                    line=self.lines.get(name),
                )

    def wrong(self, name: str, what: str, next_step: str) -> DeclarationError:
        """An error about one key."""
        return DeclarationError(
            f"{self.file}: {name} {what}.",
            next_step=next_step,
            file=self.file,
            line=self.lines.get(name, self.first_line),
        )

    def text(self, name: str) -> str | None:
        """A key's value as text; None when it is not there."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, Mapping | list | tuple):
            raise self.wrong(name, f"is {value!r}, not text", f"Write {name}: one value.")
        return str(value)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A key's value as a tuple of texts (one or a list); None when it is not there."""
        value = self.values.get(name)
        if value is None:
            return None
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            raise self.wrong(name, f"is {value!r}, not a list of names", f"Write {name}: [first, second].")
        return tuple(str(item) for item in items)


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a doubled key is an error and `on`, `yes`, `no` stay words."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is not one word", key_node.start_mark)
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} stands twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except (ValueError, AttributeError) as error:  # a tag that its value does not fit, such as `!!int x`
            problem = f"{node.value!r} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_header(text: str, file: str, first_line: int) -> Header:
    """The mapping in `text`, whose first line is `first_line` of `file`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Header({}, {}, file, first_line)
        if not isinstance(node, yaml.MappingNode):
            raise DeclarationError(
                f"The header of {file} is not a list of keys.",
                next_step="Write `key: value` lines.",
                file=file,
                line=first_line,
            )
        values = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise _unreadable(error, file, first_line) from error
    lines = {str(key.value): first_line + key.start_mark.line for key, _ in node.value}
    items = {
        str(key.value): tuple(first_line + item.start_mark.line for item in value.value)
        for key, value in node.value
        if isinstance(value, yaml.SequenceNode)
    }
    return Header({str(k): v for k, v in values.items()}, lines, file, first_line, items)


def _unreadable(error: yaml.YAMLError, file: str, first_line: int) -> DeclarationError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return DeclarationError(
        f"The header of {file} cannot be read: {problem}.",
        next_step="Mend the YAML; text with a colon or a brace wants quotes.",
        file=file,
        line=first_line + (mark.line if mark else 0),
    )
