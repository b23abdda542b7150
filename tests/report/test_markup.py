"""Nothing that comes from data can become HTML."""

import json
from html.parser import HTMLParser

from jaxstyle.report.markup import Markup, element, join, json_script

NASTY = """</script><b onclick='x' title="y">&amp;<!-- ]]>"""


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.attributes = [], "", {}

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data):
        self.text += data


def _read(html):
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def test_text_and_attributes_come_back_as_they_were():
    got = _read(element("p", NASTY, title=NASTY, data_id=3))
    assert got.tags == ["p"]
    assert got.text == NASTY
    assert got.attributes == {"title": NASTY, "data-id": "3"}


def test_children_nest_and_none_is_nothing():
    html = element("ul", [element("li", 1), None, [element("li", "a")]])
    assert html == "<ul><li>1</li><li>a</li></ul>"
    assert join("<", Markup("<br>")) == "&lt;<br>"


def test_attributes_without_value():
    html = element("input", disabled=True, checked=False, name=None, min=0)
    assert html == '<input disabled min="0">'


def test_svg_shapes_are_closed():
    assert element("path", d="M0,0") == '<path d="M0,0"></path>'


def test_json_cannot_end_its_script():
    values = {"status": NASTY, "f": [0.25]}
    html = json_script(values, id="data")
    reader = _read(html)
    assert reader.tags == ["script"]
    assert html.count("<") == 2
    assert json.loads(reader.text) == values
