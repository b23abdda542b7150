"""Controls that choose which of the shown images are looked at."""

from jaxstyle.report import trust
from jaxstyle.report.content import Content
from jaxstyle.report.markup import Markup, element

# Each card has these as data attributes.
OUTCOMES = {"flipped": "flipped", "failed": "not flipped"}


def controls(content: Content) -> Markup:
    """Three menus; the page's script shows them and does what they say."""
    names = content.question.ends
    return element(
        "form",
        _menu("outcome", "Outcome", OUTCOMES),
        _menu("decision", "f says", {str(n): names[n] for n in (0, 1)}),
        _menu("trust", "Trust", {level: level for level in trust.LEVELS}),
        element("p", role="status", class_="count"),
        class_="filters",
        hidden=True,
        aria_label="Choose which images are shown",
    )


def _menu(name: str, label: str, choices: dict[str, str]) -> Markup:
    return element(
        "label",
        label,
        element(
            "select",
            element("option", "all", value=""),
            [
                element("option", text, value=value)
                for value, text in choices.items()
            ],
            name=name,
        ),
    )
