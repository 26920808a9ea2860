"""Configuration of a match from files and from ``name=value``.

A configuration file is data that may come from anywhere, so its size and contents are limited: names with numbers,
words, or lists of words.
"""

from __future__ import annotations

__all__ = ["change_config", "flatten", "make_config", "read_fields"]

import math
import operator
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from lsst.pex.config import Config, FieldValidationError

from .._checks import shown
from ..errors import InvalidParameterError, NotFoundError

_Config = TypeVar("_Config", bound=Config)

_ENDINGS = {".yaml": "YAML", ".yml": "YAML", ".json": "YAML", ".toml": "TOML"}
# All fields together, with long lists of planes, take a few hundred bytes.
_LARGEST_FILE = 65536
# Digits of a number; no field needs more than the 20 of the largest whole number.
_MOST_DIGITS = 100
# Parts of a name in TOML, as in a.b.c: its parser takes memory of the square of their number. Fields have one part.
_MOST_PARTS = 8
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_REAL = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_NEEDED = {
    bool: "true or false (bool)",
    int: "a whole number (int)",
    float: "a number (float)",
    str: "text (str)",
    list: "a list of words (list of str)",
}


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
            raise InvalidParameterError(f"Configuration field {name} = {shown(text)}; it must be true or false")
        return words[text.lower()]
    if field.dtype in (int, float):
        if len(text) > _MOST_DIGITS or not (_WHOLE if field.dtype is int else _REAL).fullmatch(text):
            raise _wrong(name, text, field.dtype)
        value = field.dtype(text)
        if math.isinf(value) and "inf" not in text.lower():
            raise InvalidParameterError(f"Configuration field {name} = {text}; it must be within float64, +-1.8e308")
        return value
    return text


def _wrong(name: str, value: Any, kind: type) -> InvalidParameterError:
    return InvalidParameterError(
        f"Configuration field {name} = {shown(value)}: it is of type {type(value).__name__}; it must be {_NEEDED[kind]}"
    )


def _typed(field: Any, name: str, value: Any) -> Any:
    """Return a value in the type of a field; unlike `lsst.pex.config`, take no truth value for a number.

    Raises
    ------
    evensky.errors.InvalidParameterError
        If it has another type.
    """
    if value is None:  # whether it may be left out is checked with all fields together
        return None
    if type(field).__name__ == "ListField":
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence | set | frozenset | np.ndarray):
            raise _wrong(name, value, list)
        return [_typed_scalar(field.itemtype, name, item) for item in value]
    if field.dtype in (bool, int, float, str):
        return _typed_scalar(field.dtype, name, value)
    return value


def _typed_scalar(kind: type, name: str, value: Any) -> Any:
    truth = isinstance(value, bool | np.bool_)
    if kind is bool and truth:
        return bool(value)
    if kind is str and isinstance(value, str):
        return str(value)
    if kind is int and not truth:
        try:
            return operator.index(value)
        except TypeError:
            pass
    if kind is float and not truth and isinstance(value, int | float | np.integer | np.floating):
        try:
            return float(value)
        except OverflowError:
            pass
    raise _wrong(name, value, kind)


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
        raise InvalidParameterError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > _LARGEST_FILE:
        raise InvalidParameterError(f"{path}: has more than {_LARGEST_FILE} bytes, too many for a configuration")
    try:
        fields = _toml(text) if kind == "TOML" else _yaml(text)
    except InvalidParameterError as error:
        raise InvalidParameterError(f"{path}: {error}") from error
    except Exception as error:  # each of the two parsers has errors of its own
        said = str(error).replace('in "<unicode string>", ', "at ")
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else _briefly(said)
        raise InvalidParameterError(f"{path}: is not {kind}: {reason}") from error
    if not isinstance(fields, dict):
        raise InvalidParameterError(f"{path}: holds a {type(fields).__name__}; names and values are needed")
    for name, value in fields.items():
        parts = value if isinstance(value, list) else [value]
        if wrong := [part for part in parts if not isinstance(part, str | bool | int | float | None)]:
            raise InvalidParameterError(f"{path}: {_not_flat(name, type(wrong[0]).__name__)}")
    return fields


def _not_flat(name: Any, kind: str) -> InvalidParameterError:
    return InvalidParameterError(f"field {shown(name)} holds a {kind}; numbers, words and lists of words are allowed")


def _toml(text: str) -> dict[str, Any]:
    """Parse TOML, in which neither names nor numbers are long."""
    import tomllib

    plain = re.sub(
        r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', '""', text, flags=re.DOTALL
    )
    plain = re.sub(r"#[^\n]*", "", plain)
    for part in re.split(r"[\n=,{}\[\]]", plain):
        if part.count(".") >= _MOST_PARTS:
            raise InvalidParameterError(f"has a name of {part.count('.') + 1} parts; names of fields have one")
        if re.search(rf"(?<![\w.-])[+-]?\d[\w.]{{{_MOST_DIGITS}}}", part):
            raise _too_long(len(part.strip()))
    return tomllib.loads(text)


def _too_long(digits: int, where: str = "") -> InvalidParameterError:
    return InvalidParameterError(f"{where}holds a number of {digits} digits; up to {_MOST_DIGITS} are read")


def _yaml(text: str) -> Any:
    """Parse YAML; what it holds is looked at before it is made, as aliases and merges can multiply it."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if isinstance(root, yaml.SequenceNode):
            return []
        if isinstance(root, yaml.MappingNode):
            names = set()
            for key, value in root.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise InvalidParameterError("holds a name that is not a word; names and values are needed")
                parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for part in parts:
                    if not isinstance(part, yaml.ScalarNode):
                        raise _not_flat(key.value, "dict" if isinstance(part, yaml.MappingNode) else "list")
                for scalar in (key, *parts):
                    if scalar.tag.endswith((":int", ":float")) and len(scalar.value) > _MOST_DIGITS:
                        raise _too_long(len(scalar.value), f"field {shown(key.value)} ")
                if key.value in names:
                    raise InvalidParameterError(f"gives the field {shown(key.value)} twice")
                names.add(key.value)
        elif root is not None and root.tag.endswith((":int", ":float")) and len(root.value) > _MOST_DIGITS:
            raise _too_long(len(root.value))
        return {} if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


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
            raise InvalidParameterError(f"-c {shown(setting)}: name=value is needed")
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
        raise NotFoundError(f"There is no configuration field {shown(name)}; the known ones are {known}")
    value = _typed(config._fields[name], name, value)
    try:
        config.update(**{name: value})
    except (FieldValidationError, TypeError, ValueError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise InvalidParameterError(f"Configuration field {name} = {shown(value)}: {_short(reason)}") from error


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
