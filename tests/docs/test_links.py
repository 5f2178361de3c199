"""What checks the manual's links finds each kind of broken one."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "ci" / "manual"))

import links

GOOD = '<h1 id="top">a</h1> <a href="#top">up</a> <a href="sub/b.html#x%C3%A4">b</a> <a href="https://a.b/c#d">c</a>'


def folder(tmp_path, page):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    (tmp_path / "sub" / "b.html").write_text('<p id="xä"><a href="../a.html#top">a</a></p>', encoding="utf-8")
    return tmp_path


def test_good_links_are_good(tmp_path):
    page = GOOD + "<a href='#top'><code>fastopt.Adam</code></a> <pre><code>fastopt.Adam</code></pre> <code>x.y</code>"
    assert links.broken(folder(tmp_path, page)) == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('<a href="#nowhere">x</a>', "#nowhere leads to no anchor"),
        ('<a href="sub/b.html#nowhere">x</a>', "sub/b.html#nowhere leads to no anchor"),
        ('<a href="c.html">x</a>', "c.html leads to no file"),
        ('<img src="no.png">', "no.png leads to no file"),
        ("<code>fastopt.Adamm</code>", "fastopt.Adamm is no link"),
    ],
)
def test_a_broken_link_is_found(more, says, tmp_path):
    (found,) = links.broken(folder(tmp_path, GOOD + more))
    assert says in found


def test_no_pages_are_no_success(tmp_path):
    assert links.broken(tmp_path)
