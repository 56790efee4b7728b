"""Files of named objects that people write: prices by model, facts by provider. As TOML or JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

__all__ = ["read_table", "refuse_unknown"]


def read_table(path: Path, what: str) -> dict[str, dict[str, Any]]:
    """Read a file of objects, each of which is named by its key, and that name is `what`.

    What ends in `.json` is read as JSON, all else as TOML.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not JSON or TOML, or not named objects; the message names the file.
    """
    # Imported late: most programs read no such file.
    import json
    import tomllib

    raw = path.read_bytes()
    kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        text = raw.decode("utf-8-sig")
        found: object = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: not {kind}: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected an object in which each key names {what}")  # noqa: TRY004 - a file
    table = cast("dict[str, object]", found)
    for name, entry in table.items():
        if not isinstance(entry, dict):
            raise ValueError(  # noqa: TRY004 - what is wrong is the value of a file, not of a program
                f"{path}: {name!r} must be an object, as each key names {what}, not {entry!r}"
            )
    return cast("dict[str, dict[str, Any]]", table)


def refuse_unknown(path: Path, name: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuse an object with keys that mean nothing.

    Raises:
        ValueError: naming the file, the object, the key and those that are known.
    """
    for key, value in entry.items():
        if key in known:
            continue
        if isinstance(value, dict):  # TOML reads [gpt-5.6] as a table "6" in a table "gpt-5"
            raise ValueError(  # noqa: TRY004 - as above
                f"{path}: {name!r} holds a table {key!r}: in TOML a name with a dot needs quotes: "
                f'["{name}.{key}"]'
            )
        raise ValueError(f"{path}: {name!r}: unknown key {key!r}; known: {', '.join(known)}")
