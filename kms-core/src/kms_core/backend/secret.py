"""The types of parameters that nobody may see."""

from __future__ import annotations

from typing import ClassVar, Generic, Self, TypeVar

ValueT = TypeVar("ValueT", str, bytes)


class Secret(Generic[ValueT]):
    """Holds a value that no ``repr``, log or traceback shows.

    Attributes:
        public: whether others may read its file, as what is not secret, but must be the right one.
    """

    __slots__ = ("_value",)
    public: ClassVar[bool] = False

    def __init__(self, value: ValueT) -> None:
        self._value: ValueT = value

    def get_secret_value(self) -> ValueT:
        """The value. Keep it out of attributes that are shown."""
        return self._value

    @classmethod
    def from_file(cls, content: bytes) -> Self:
        """The secret in a file: text in UTF-8. White space around it and a byte order mark are
        dropped. A subclass may read it otherwise.

        Raises:
            ValueError: says what is wrong with it, and shows nothing of it.
        """
        try:
            text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            text = None
        if text is None:  # raised here and not above: the decoder's error holds the content
            raise ValueError("is not UTF-8 text")
        return cls(text)  # type: ignore[arg-type] # both kinds take text

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}('**********')"


class SecretStr(Secret[str]):
    """A secret text, which ``get_secret_value()`` returns."""


class SecretBytes(Secret[bytes]):
    """Secret bytes, which ``get_secret_value()`` returns.

    A parameter's text is taken as UTF-8; a subclass may decode it otherwise.
    """

    def __init__(self, value: str | bytes) -> None:
        super().__init__(value.encode() if isinstance(value, str) else value)
