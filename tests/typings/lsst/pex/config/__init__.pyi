"""Types of the part of lsst.pex.config that evensky uses: the library itself is only partly annotated."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

_T = TypeVar("_T")

class Field(Generic[_T]):
    name: str
    doc: str
    dtype: type[_T]
    default: _T | None
    def __init__(
        self,
        doc: str,
        dtype: type[_T] | None = None,
        default: _T | None = None,
        check: Callable[[_T], bool] | None = None,
        optional: bool = False,
        deprecated: str | None = None,
    ) -> None: ...
    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: Config, owner: Any = None) -> _T: ...
    def __set__(self, instance: Config, value: _T | None) -> None: ...

class RangeField(Field[_T]):
    def __init__(
        self,
        doc: str,
        dtype: type[_T],
        default: _T | None = None,
        optional: bool = False,
        min: _T | None = None,
        max: _T | None = None,
        inclusiveMin: bool = True,
        inclusiveMax: bool = False,
        deprecated: str | None = None,
    ) -> None: ...

class ChoiceField(Field[_T]):
    allowed: dict[_T | None, str]
    def __init__(
        self,
        doc: str,
        dtype: type[_T],
        allowed: Mapping[_T, str],
        default: _T | None = None,
        optional: bool = True,
        deprecated: str | None = None,
    ) -> None: ...

class ListField(Generic[_T]):
    name: str
    doc: str
    dtype: type[_T]
    def __init__(
        self,
        doc: str,
        dtype: type[_T],
        default: list[_T] | None = None,
        optional: bool = False,
        listCheck: Callable[[list[_T]], bool] | None = None,
        itemCheck: Callable[[_T], bool] | None = None,
        length: int | None = None,
        minLength: int | None = None,
        maxLength: int | None = None,
        deprecated: str | None = None,
    ) -> None: ...
    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: Config, owner: Any = None) -> list[_T]: ...
    def __set__(self, instance: Config, value: list[_T] | None) -> None: ...

class ConfigField(Field[_T]):
    def __init__(
        self,
        doc: str,
        dtype: type[_T],
        default: _T | None = None,
        check: Callable[[_T], bool] | None = None,
        deprecated: str | None = None,
    ) -> None: ...

class ConfigurableField(Generic[_T]):
    name: str
    doc: str
    def __init__(
        self,
        doc: str,
        target: Callable[..., _T],
        ConfigClass: type[Config] | None = None,
        default: Config | None = None,
        check: Callable[[Any], bool] | None = None,
        deprecated: str | None = None,
    ) -> None: ...
    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: Config, owner: Any = None) -> Any: ...
    def __set__(self, instance: Config, value: Any) -> None: ...

class Config:
    _fields: ClassVar[dict[str, Field[Any]]]
    def __init__(self) -> None: ...
    def load(self, filename: str, root: str = "config") -> None: ...
    def save(self, filename: str, root: str = "config") -> None: ...
    def saveToString(self, skipImports: bool = False) -> str: ...
    def update(self, **kw: Any) -> None: ...
    def toDict(self) -> dict[str, Any]: ...
    def validate(self) -> None: ...
    def freeze(self) -> None: ...
    def copy(self) -> Self: ...

class FieldValidationError(ValueError):
    msg: str
    def __init__(self, field: Any, config: Config, msg: str) -> None: ...
