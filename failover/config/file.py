"""The configuration file: JSON, with comments if need be, or YAML, as VOLTTRON itself reads it.

Of YAML it takes what such a file needs: a mapping of plain values. What a reader of the file would take for something
else than YAML does, such as the number 010, comes out as a value that shows this and that no key accepts. So does a key
that is there twice.
"""

import itertools
import json
import os
import re
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

import yaml

from failover import files
from failover.config.errors import ConfigError

__all__ = ["parse", "read"]

# Bytes of a file, levels of nesting, digits of a number.
_LARGEST = 64 * 1024
_DEEPEST = 20
_LONGEST_NUMBER = 30

# Strings and comments that do not end go on to the end of the file.
_STRING_OR_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*"?)|/\*(?:.*?\*/|.*)|(?:#|//)[^\n]*', re.DOTALL)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FRACTION = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\Z")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|nan)\Z", re.IGNORECASE)


class _Odd:
    """A value that no key accepts. Its text follows after "found"."""

    def __init__(self, text: str):
        self._text = text

    def __repr__(self) -> str:
        return self._text


def parse(text: str, name: str) -> Any:
    """Return what a text holds, for :meth:`failover.config.Config.load`.

    :param name: of what the text is from, for messages.
    :raises ConfigError: it is neither JSON nor YAML.
    """
    try:
        if len(text) > _LARGEST:
            raise _Unusable("is larger than {} KiB".format(_LARGEST // 1024))
        return _parse(text.lstrip("\ufeff"))
    except _Unusable as error:
        raise ConfigError(["{} {}".format(name, error)]) from None


def read(path: Optional[str]) -> Any:
    """Return what the file holds, for :meth:`failover.config.Config.load`.

    :raises ConfigError: there is no such file, or it is neither JSON nor YAML.
    """
    if not path:
        raise ConfigError(["none given: install this agent with `vctl install ... --agent-config FILE`"])
    try:
        text = files.read(os.path.expanduser(path), _LARGEST).decode("utf-8")
    except UnicodeDecodeError:
        reason = "cannot be read: it is no text in UTF-8"
    except OSError as error:
        reason = "cannot be read: {}".format(error.strerror or error)
    else:
        return parse(text, path)
    raise ConfigError(["{} {}".format(path, reason)])


class _Unusable(Exception):
    """The text tells why; it follows after the name of the file."""


def _parse(text: str) -> Any:
    if not text.strip():
        raise _Unusable("is empty")
    without_comments = _STRING_OR_COMMENT.sub(_keep_string, text)
    try:
        return json.loads(without_comments, object_pairs_hook=_mapping, parse_int=_integer)
    except RecursionError:
        raise _Unusable("is nested too deeply") from None
    except ValueError as error:
        json_error = str(error)
    try:
        return _from_yaml(text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # The last two for escapes that are no characters.
        if without_comments.lstrip().startswith(("{", "[")):
            raise _Unusable("cannot be read as JSON: {}".format(json_error)) from None
        raise _Unusable("cannot be read as YAML: {}".format(_yaml_error(error))) from None


def _keep_string(match: "re.Match[str]") -> str:
    """Return a string as it is, and blanks for a comment, so that errors are found in the right line."""
    return match.group(1) or re.sub(r"[^\n]", " ", match.group())


def _mapping(pairs: Iterable[Tuple[str, Any]]) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    repeated = set()
    for key, value in pairs:
        if key not in found:
            found[key] = value
        elif key not in repeated:
            repeated.add(key)
            found[key] = _Odd("{!r:.30} and {!r:.30}, as the key is there more than once".format(
                _text(found[key]), _text(value)))
    return found


def _text(value: Any) -> Any:
    return _Odd("a nested value") if isinstance(value, (dict, list)) else value


def _integer(text: str) -> Any:
    return int(text) if len(text) <= _LONGEST_NUMBER else _Odd("a number of {} digits".format(len(text)))


def _from_yaml(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        events = _events(loader)
        root = next(events)
        if isinstance(root, yaml.StreamEndEvent):
            raise _Unusable("is empty")
        if isinstance(root, yaml.MappingStartEvent):
            value = _mapping(_pairs(loader, events))
        else:
            value = _value(loader, root, events)
        if not isinstance(next(events), yaml.StreamEndEvent):
            raise _Unusable("holds more than one document")
        return value
    finally:
        loader.dispose()


def _events(loader: Any) -> Iterator[Any]:
    depth = 0
    while loader.check_event():
        event = loader.get_event()
        if getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None:
            raise _Unusable("has an anchor, an alias or a tag, in line {}; wanted: plain values".format(
                _line(event)))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise _Unusable("is nested too deeply, in line {}".format(_line(event)))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if not isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)):
            yield event


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _pairs(loader: Any, events: Iterator[Any]) -> Iterator[Tuple[str, Any]]:
    for key in events:
        if isinstance(key, yaml.MappingEndEvent):
            return
        if not isinstance(key, yaml.ScalarEvent):
            raise _Unusable("has a key that is no text, in line {}".format(_line(key)))
        yield key.value, _value(loader, next(events), events)


def _value(loader: Any, event: Any, events: Iterator[Any]) -> Any:
    if isinstance(event, yaml.SequenceStartEvent):
        following = itertools.takewhile(lambda one: not isinstance(one, yaml.SequenceEndEvent), events)
        return [_value(loader, one, events) for one in following]
    if isinstance(event, yaml.MappingStartEvent):
        _skip(events)
        return _Odd("a mapping")
    return _scalar(event.value, loader.resolve(yaml.ScalarNode, event.value, event.implicit))


def _skip(events: Iterator[Any]) -> None:
    depth = 1
    while depth:
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)


def _scalar(text: str, tag: str) -> Any:
    kind = tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return yaml.SafeLoader.bool_values[text.lower()]
    if kind == "int":
        return _integer(text) if _INTEGER.match(text) else _Odd(_as_taken(text))
    if kind == "float":
        if _NO_NUMBER.match(text):
            return float(text.replace(".", ""))
        return float(text) if _FRACTION.match(text) else _Odd(_as_taken(text))
    return text


def _as_taken(text: str) -> str:
    """Return a number in a form that is not plain, such as 010, 0x10, 1_000 and 1:30, with what YAML makes of it."""
    if len(text) > _LONGEST_NUMBER:
        return "a number of {} digits".format(len(text))
    try:
        number = yaml.safe_load(text)
    except ValueError:
        return text
    return "{}, which YAML takes for {}".format(text, number)


def _yaml_error(error: Exception) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is not None and problem:
        return "line {}, column {}: {}".format(mark.line + 1, mark.column + 1, problem)
    return " ".join(str(error).split())
