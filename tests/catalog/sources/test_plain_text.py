"""Descriptions in HTML become plain text, and no text holds up a build."""

from __future__ import annotations

import time

import pytest

from catalog.sources.plain_text import plain_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>Clay,\n12 cm</p><ul><li>a &amp; b</li></ul>", "Clay, 12 cm\na & b"),
        ("<b>fine</b>", "fine"),
        ("a<br>b<BR/>c", "a\nb\nc"),
        ("<IMG SRC='a>b.jpg'>cup", "cup"),
        ('<p>see <a href="x">it', "see it"),
        ("<p>x&nbsp;&nbsp;y &amp;lt; z", "x y &lt; z"),
        ("<style>p > a {}</style><script>if (a<b) '</p>'</script><!-- <b> --><p>z", "z"),
        ("<![CDATA[<p>A</p>]]><![if !lists]>B<![endif]>", "A\nB"),
    ],
)
def test_html_becomes_lines(text: str, plain: str) -> None:
    assert plain_text(text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "Size <S> & <M>",
        "Rohr <b 5 mm, Länge > 3 m",
        "T-Shirt <s m l>",
        "Bolt <M8> 3 < 4",
        "a <b\nc> d",
        "<![10]> <!ELEMENT x",
    ],
)
def test_words_in_angle_brackets_stay(text: str) -> None:
    """Also within HTML."""
    assert plain_text(text) == text
    assert plain_text(f"<p>{text}</p>") == " ".join(text.split())


@pytest.mark.parametrize("text", ["<p>a <![10]></p>", "<p>a</p><![foo[bar]]>", "<p>a</p><![ x"])
def test_a_declaration_that_is_none_stays(text: str) -> None:
    assert "<![" in plain_text(text)


@pytest.mark.parametrize("part", ['<a b="', "<!--", "<script>", "<style><script>", "<b", "</p "])
def test_long_text_takes_no_longer_than_its_length_asks_for(part: str) -> None:
    """A parser that begins anew at each of these takes minutes."""
    begun = time.process_time()
    plain_text("<b>x</b>" + part * 20_000)
    assert time.process_time() - begun < 5
