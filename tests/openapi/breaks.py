"""Finds the changes of an OpenAPI document that break clients of the one before.

A client may send what it sent before, and reads what it read before. It ignores new fields, and takes values
of a choice that it does not know, as docs/api.md asks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")
LIMITS = {"minimum": -1, "minLength": -1, "minItems": -1, "maximum": 1, "maxLength": 1, "maxItems": 1}
"""The limits of a value; 1 for those that a client notices when they fall."""


def breaks(old: Json, new: Json) -> list[str]:
    """Return a sentence for each change that breaks a client, without repetitions."""
    return list(dict.fromkeys(_of_document(old, new)))


def _of_document(old: Json, new: Json) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method in (each for each in METHODS if each in methods):
            name = f"{method.upper()} {path}"
            if changed := new["paths"].get(path, {}).get(method):
                yield from _of_operation(name, old, new, methods[method], changed)
            else:
                yield f"{name} is gone"


def _of_operation(name: str, old: Json, new: Json, before: Json, after: Json) -> Iterator[str]:
    yield from _of_parameters(name, Comparison(old, new, is_sent=True), before, after)
    was_needed = {ability for each in before.get("security", ()) for ability in each.get("token", ())}
    for ability in {a for each in after.get("security", ()) for a in each.get("token", ())} - was_needed:
        yield f"{name} needs the ability {ability}"
    bodies = [each.get("requestBody", {}) for each in (before, after)]
    if bodies[1].get("required") and not bodies[0].get("required"):
        yield f"{name}, body is required"
    contents = [each.get("content", {}) for each in bodies]
    yield from _of_content(f"{name}, body", Comparison(old, new, is_sent=True), *contents)
    for status, answer in before["responses"].items():
        answers = after["responses"].get(status)
        if answers is None and status < "300":
            yield f"{name} does not answer {status}"
        elif answers:
            where = f"{name}, answer {status}"
            contents = [each.get("content", {}) for each in (answer, answers)]
            yield from _of_content(where, Comparison(old, new, is_sent=False), *contents)
            for header in answer.get("headers", {}).keys() - answers.get("headers", {}).keys():
                yield f"{where}: the header {header} is gone"


def _of_parameters(name: str, comparison: "Comparison", before: Json, after: Json) -> Iterator[str]:
    old, new = (
        {(each["in"], each["name"]): each for each in operation.get("parameters", ())}
        for operation in (before, after)
    )
    for key, parameter in old.items():
        where = f"{name}, {key[0]} parameter {key[1]}"
        if key not in new:
            yield f"{where} is gone"
        else:
            yield from comparison.of(where, parameter["schema"], new[key]["schema"])
    for key in (key for key, parameter in new.items() if parameter.get("required")):
        if not old.get(key, {}).get("required"):
            yield f"{name}, {key[0]} parameter {key[1]} is required"


def _of_content(where: str, comparison: "Comparison", before: Json, after: Json) -> Iterator[str]:
    for media, content in before.items():
        if media in after:
            yield from comparison.of(where, content["schema"], after[media]["schema"])
        else:
            yield f"{where}: the media type {media} is gone"


@dataclass
class Comparison:
    """Compares schemas that a client sends, or schemas that it reads."""

    old: Json
    new: Json
    is_sent: bool
    _seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def of(self, where: str, before: Json, after: Json) -> Iterator[str]:
        """Yield a sentence for each break between two schemas."""
        names = before.get("$ref", ""), after.get("$ref", "")
        if all(names):
            if names in self._seen:
                return
            self._seen.add(names)
        before, after = _resolved(self.old, before), _resolved(self.new, after)
        olds, news = (_alternatives(each) for each in (before, after))
        for kind in _kinds(self.old, olds) - _kinds(self.new, news) if self.is_sent else ():
            yield f"{where} does not take {kind}"
        for kind in () if self.is_sent else _kinds(self.new, news) - _kinds(self.old, olds):
            yield f"{where} may be {kind}"
        for pairs in self._counterparts(olds, news):
            yield from self._of_nearest(where, pairs)

    def _counterparts(self, olds: list[Json], news: list[Json]) -> Iterator[list[tuple[Json, Json]]]:
        """Yield the pairs of an old and a new alternative of one type, for each that needs a counterpart.

        What a client sends must be taken, and what it reads must look like something that it has read. The
        pair at the same position comes first.
        """
        pairs = [[(old, new) for new in news] for old in olds]
        for at, group in enumerate(pairs if self.is_sent else zip(*pairs, strict=True)):
            ordered = [*group[at : at + 1], *group[:at], *group[at + 1 :]]
            yield [each for each in ordered if _kind(self.old, each[0]) == _kind(self.new, each[1])]

    def _of_nearest(self, where: str, pairs: list[tuple[Json, Json]]) -> list[str]:
        """Return the breaks of the first pair that has the fewest."""
        before, found = self._seen, list[tuple[list[str], set[tuple[str, str]]]]()
        for old, new in pairs:
            self._seen = set(before)
            sentences = list(self._of_one(where, _resolved(self.old, old), _resolved(self.new, new)))
            found.append((sentences, self._seen))
        sentences, self._seen = min(found, key=lambda each: len(each[0]), default=([], before))
        return sentences

    def _of_one(self, where: str, before: Json, after: Json) -> Iterator[str]:
        if self.is_sent:
            yield from _narrowed(where, before, after)
        for name, part in before.get("properties", {}).items():
            if name in after.get("properties", {}):
                yield from self.of(f"{where}, {name}", part, after["properties"][name])
            else:
                yield f"{where}: {name} is gone"
        required = [set(each.get("required", ())) for each in (before, after)]
        for name in required[1] - required[0] if self.is_sent else required[0] - required[1]:
            if self.is_sent or name in after.get("properties", {}):
                yield f"{where}: {name} is {'required' if self.is_sent else 'not always there'}"
        for inner in ("items", "additionalProperties"):
            if isinstance(before.get(inner), dict) and isinstance(after.get(inner), dict):
                yield from self.of(where, before[inner], after[inner])


def _narrowed(where: str, before: Json, after: Json) -> Iterator[str]:
    """Yield what a client may not send any more."""
    if "enum" in after and "enum" not in before and "const" not in before:
        yield f"{where} takes a few values only"
    elif "enum" in after:
        for value in (each for each in before.get("enum", ()) if each not in after["enum"]):
            yield f"{where} does not take {value!r}"
    if "enum" in before:  # a client sends these values alone, which are short
        return
    for name, sign in LIMITS.items():
        if name in after and (name not in before or (before[name] - after[name]) * sign > 0):
            yield f"{where}: {name} is {after[name]}"
    if after.get("pattern") not in (None, before.get("pattern")):
        yield f"{where}: the pattern is {after['pattern']}"


def _resolved(document: Json, schema: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _alternatives(schema: Json) -> list[Json]:
    """Return the schemas of which a value matches one, each of one type."""
    several = schema.get("anyOf") or schema.get("oneOf")
    if several:
        return [inner for each in several for inner in _alternatives(each)]
    kinds = schema.get("type")
    return [{**schema, "type": kind} for kind in kinds] if isinstance(kinds, list) else [schema]


def _kind(document: Json, schema: Json) -> str:
    return str(_resolved(document, schema).get("type", "anything"))


def _kinds(document: Json, schemas: list[Json]) -> set[str]:
    return {_kind(document, each) for each in schemas}
