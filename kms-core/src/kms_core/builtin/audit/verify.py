"""Finds what was done to an audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from kms_core.builtin.audit.chain import MAX_LINE_SIZE, Head, Line, Sealer, read_line


class Finding(NamedTuple):
    """Something about a line.

    Attributes:
        line: its number in the file, from 1; 0 if it is about no line.
        problem: what was found, in words.
        is_broken: whether the chain is broken; it is not by a line that its writer did not finish.
    """

    line: int
    problem: str
    is_broken: bool = True


class Verifier:
    """Follows the chains through one file after the other, in memory that does not grow.

    Args:
        sealer: has the key under which the lines were written, if there was one.
        heads: what was noted elsewhere, and has to be met.
    """

    def __init__(self, sealer: Sealer, heads: Iterable[Head] = ()) -> None:
        self._sealer = sealer
        self._missing = {(head.chain, head.number): head for head in heads}
        self._ends: dict[str, Head] = {}

    @property
    def heads(self) -> list[Head]:
        """The last line of each chain so far."""
        return list(self._ends.values())

    def read(self, file: BinaryIO) -> Iterator[Finding]:
        """Go on with this file, and yield what is found."""
        lines = iter(lambda: file.readline(MAX_LINE_SIZE), b"")
        for number, data in enumerate(lines, 1):
            line = read_line(data)
            if line is None:
                problem = "no line of a trail: its writer died in the middle, and the event is lost"
                yield Finding(number, problem, is_broken=False)
            else:
                yield from (Finding(number, problem) for problem in self._check(line))

    def finish(self) -> Iterator[Finding]:
        """Say which of the noted heads were not met."""
        for head in self._missing.values():
            yield Finding(0, f"line {head.number} of chain {head.chain} is missing: {_CUT_OFF}")

    def _check(self, line: Line) -> Iterator[str]:
        head, end = line.head, self._ends.get(line.head.chain)
        if self._sealer.hash(line.body) != head.hash:
            yield "it was changed, or written under another key"
            if end is None or head.number != end.number + 1:
                return  # its number may be what was changed
        elif end is None:
            yield from self._check_beginning(line)
        elif head.number <= end.number:
            yield f"number {head.number} comes after number {end.number}: doubled or out of order"
        elif head.number > end.number + 1:
            yield _missing(end.number + 1, head.number - 1)
        elif line.previous != end.hash:
            yield "it does not follow the line before it: one of the two was changed"
        yield from self._check_noted(head)
        self._ends[head.chain] = head

    def _check_beginning(self, line: Line) -> Iterator[str]:
        before = (line.head.chain, line.head.number - 1)
        noted = self._missing.pop(before, None)
        if noted is not None and noted.hash != line.previous:
            yield f"it does not follow the head that was noted for number {noted.number}"
        elif noted is None and line.head.number > 1:
            yield (
                f"the chain begins with number {line.head.number}: give the files before this one, "
                "or the head of the last of them"
            )

    def _check_noted(self, head: Head) -> Iterator[str]:
        noted = self._missing.pop((head.chain, head.number), None)
        if noted is not None and noted != head:
            yield f"it is another line than the head that was noted for number {head.number}"


def _missing(first: int, last: int) -> str:
    which = f"number {first} is" if first == last else f"numbers {first} to {last} are"
    return f"{which} missing before it"


_CUT_OFF = "the end was cut off, or a file was not given"
