"""The sections on what was compared beside the pipeline, where it was."""

from jaxstyle.report import inversions, methods, opinions, sanity
from jaxstyle.report.content import Content
from jaxstyle.report.markup import Markup, element

_ALL = (methods, inversions, sanity, opinions)
# By stage, which is the section's id, too.
TITLES = {one.STAGE: one.TITLE for one in _ALL}
# Files in the run folder.
PICTURES = {one.STAGE: one.PICTURES for one in _ALL}


def sections(content: Content) -> list[Markup]:
    """One for each comparison that was run."""
    build = {
        methods.STAGE: lambda found: methods.section(found, content.method),
        inversions.STAGE: inversions.section,
        sanity.STAGE: sanity.section,
        opinions.STAGE: lambda found: opinions.section(found, content.question),
    }
    return [
        element(
            "section",
            element("h2", TITLES[name]),
            build[name](compared),
            id=name,
        )
        for name, compared in content.compared.items()
    ]
