"""HTML elements in which all text is escaped unless it is `Markup`."""

import html
import json
from typing import Any

# Shapes of SVG are none of these: `<path>` without an end swallows the next.
_VOID = frozenset({"img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element such as `element("p", "a < b", class_="note")`.

    Args:
      name: tag name.
      *children: `Markup`, other values (shown as escaped text), None
        (nothing), or lists of these.
      **attributes: values are escaped; None and False leave the attribute
        out, True gives one without a value. A trailing underscore is
        dropped, inner ones become hyphens.
    """
    opening = name + "".join(map(_attribute, attributes, attributes.values()))
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(*children)}</{name}>")


def join(*children: Any) -> Markup:
    """Children of an element, one after the other."""
    return Markup("".join(map(_child, children)))


def json_script(values: Any, **attributes: Any) -> Markup:
    """A block of JSON that no text inside it can end."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return element(
        "script", Markup(text), type="application/json", **attributes
    )


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(str(value))}"'


def _child(child: Any) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, list | tuple):
        return join(*child)
    return html.escape(str(child))
