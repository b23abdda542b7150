"""What every check of a setting shares."""

from typing import Any


class ConfigError(ValueError):
    """A setting is wrong; the message names the field, its value, the mend."""


def require(condition: bool, field_name: str, value: Any, mend: str) -> None:
    """Refuses a setting unless `condition` holds.

    Raises:
      ConfigError: of the form "field_name = value: mend".
    """
    if not condition:
        raise ConfigError(f"{field_name} = {value!r}: {mend}")


def require_positive(section: str, values: Any, *names: str) -> None:
    """Refuses what is not above 0."""
    for name in names:
        value = getattr(values, name)
        require(value > 0, f"{section}.{name}", value, "use a positive number")


def require_natural(section: str, values: Any, *names: str) -> None:
    """Refuses what is below 0."""
    for name in names:
        value = getattr(values, name)
        require(value >= 0, f"{section}.{name}", value, "use 0 or more")


def require_share(section: str, values: Any, *names: str) -> None:
    """Refuses what is not in [0, 1]."""
    for name in names:
        value = getattr(values, name)
        require(
            0 <= value <= 1, f"{section}.{name}", value, "use a share, 0 to 1"
        )


def require_widths(field_name: str, widths: tuple[int, ...]) -> None:
    """Refuses a network without channels."""
    require(
        len(widths) > 0 and min(widths) > 0,
        field_name,
        widths,
        "give the channels of each stage, one or more positive numbers",
    )


def is_power_of_two(value: int) -> bool:
    """Whether value is 1, 2, 4, ..."""
    return value >= 1 and value & (value - 1) == 0
