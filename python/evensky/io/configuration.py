"""Configuration of a match from files and from ``name=value``.

A configuration file is data that may come from anywhere, so its size and contents are limited: names with numbers,
words, or lists of words.
"""

from __future__ import annotations

__all__ = ["change_config", "flatten", "make_config", "read_fields"]

import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lsst.pex.config import Config, FieldValidationError

from ..errors import InvalidParameterError, NotFoundError

_Config = TypeVar("_Config", bound=Config)

_ENDINGS = {".yaml": "YAML", ".yml": "YAML", ".json": "YAML", ".toml": "TOML"}
# All fields together, with long lists of planes, take a few hundred bytes.
_LARGEST_FILE = 65536


def _parse(kind: type[Config], name: str, text: str) -> Any:
    """Return the value of a configuration field in its type."""
    field = kind._fields[name]
    if type(field).__name__ == "ListField":
        return [part.strip() for part in text.strip("[]").split(",") if part.strip()]
    if field.dtype is bool:
        words = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        if text.lower() not in words:
            raise InvalidParameterError(f"Configuration field {name} = {text!r}; it must be true or false")
        return words[text.lower()]
    try:
        return field.dtype(text)
    except ValueError:
        raise InvalidParameterError(
            f"Configuration field {name} = {text!r}; it must be of type {field.dtype.__name__}"
        ) from None


def read_fields(path: Path) -> dict[str, Any]:
    """Read the fields of a configuration file: YAML (or JSON) or TOML, by its ending.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If the file cannot be read, does not have its format, or holds anything but names and values.
    """
    kind = _ENDINGS.get(path.suffix.lower())
    if kind is None:
        hint = "; a Python configuration is executed; pass it by --python-config" if path.suffix == ".py" else ""
        raise InvalidParameterError(f"{path}: a configuration file ends in {', '.join(_ENDINGS)}{hint}")
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise InvalidParameterError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidParameterError(f"{path}: cannot be read: {error}") from error
    if len(content) > _LARGEST_FILE:
        raise InvalidParameterError(f"{path}: has more than {_LARGEST_FILE} bytes, too many for a configuration")
    try:
        if kind == "TOML":
            import tomllib

            fields: Any = tomllib.loads(text)
        else:
            import yaml

            fields = yaml.safe_load(text) or {}
    except Exception as error:  # each of the two parsers has errors of its own
        raise InvalidParameterError(f"{path}: is not {kind}: {_briefly(str(error))}") from error
    if not isinstance(fields, dict):
        raise InvalidParameterError(f"{path}: holds a {type(fields).__name__}; names and values are needed")
    for name, value in fields.items():
        # Nested lists that repeat each other may expand to more than fits into memory.
        parts = value if isinstance(value, list) else [value]
        if wrong := [part for part in parts if not isinstance(part, str | bool | int | float | None)]:
            raise InvalidParameterError(
                f"{path}: field {reprlib.repr(name)} holds a {type(wrong[0]).__name__}; numbers, words and lists of "
                "words are allowed"
            )
    return fields


def make_config(
    kind: type[_Config],
    file: Path | None = None,
    python_file: Path | None = None,
    settings: Sequence[str] = (),
) -> _Config:
    """Make a configuration: the defaults, changed in turn by a Python file, a file of fields, and ``name=value``.

    Parameters
    ----------
    kind : type of Config
    file : Path, optional
        A YAML, JSON or TOML file.
    python_file : Path, optional
        A Python file, which is executed.
    settings : sequence of str, optional
        Settings of the form ``name=value``.

    Raises
    ------
    evensky.errors.NotFoundError
        For a field that does not exist.
    evensky.errors.InvalidParameterError
        For a value that is not allowed, or a file that cannot be read.
    """
    config = kind()
    if python_file is not None:
        if python_file.exists() and not python_file.is_file():
            raise InvalidParameterError(f"{python_file}: is not a regular file")
        try:
            config.load(str(python_file))
        except (Exception, SystemExit) as error:  # its code may raise anything
            raise InvalidParameterError(f"{python_file}: cannot be executed as a configuration: {error}") from error
    for name, value in (read_fields(file) if file else {}).items():
        _set(config, name, value)
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().removeprefix("config.")
        if not equals:
            raise InvalidParameterError(f"-c {reprlib.repr(setting)}: name=value is needed")
        _set(config, name, _parse(kind, name, text.strip()) if name in kind._fields else text)
    _validate(config)
    return config


def change_config(
    kind: type[_Config],
    config: _Config | None,
    fields: Mapping[str, Any],
) -> _Config:
    """Copy a configuration, or the defaults, and change some fields.

    Raises
    ------
    evensky.errors.NotFoundError
        For a field that does not exist.
    evensky.errors.InvalidParameterError
        For a value that is not allowed, or a configuration of another kind.
    """
    changed = kind()
    if config is not None:
        if not isinstance(config, kind):
            raise InvalidParameterError(f"config is a {type(config).__name__}; it must be a {kind.__name__}")
        changed.update(**config.toDict())
    for name, value in fields.items():
        _set(changed, name, value)
    _validate(changed)
    return changed


def _set(config: Config, name: Any, value: Any) -> None:
    if name not in config._fields:
        known = ", ".join(config._fields)
        raise NotFoundError(f"There is no configuration field {reprlib.repr(name)}; the known ones are {known}")
    try:
        config.update(**{name: value})
    except (FieldValidationError, TypeError, ValueError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise InvalidParameterError(f"Configuration field {name} = {reprlib.repr(value)}: {_short(reason)}") from error


def _validate(config: Config) -> None:
    try:
        config.validate()
    except FieldValidationError as error:
        raise InvalidParameterError(_short(str(error))) from error


def _short(reason: str) -> str:
    """Return the reason of a configuration error, without the lines about the definition of the field."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    kept = [
        line for line in lines if not line.startswith(("For more information", "Field '", "file ", "File ", "In file"))
    ]
    return _briefly(" ".join(kept or lines))


def _briefly(text: str) -> str:
    """Return a text on one line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]}..."


def flatten(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested fields by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
