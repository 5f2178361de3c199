"""Check the links of HTML pages: ``python ci/manual/links.py FOLDER`` fails where a link or an anchor leads nowhere.

Pages elsewhere are not fetched.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The anchors of a page, what it links to, and names of fastopt in code that are no link."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loose = set(), [], []
        self._inside = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors.update(given[key] for key in ("id", "name") if given.get(key))
        self.links += [given[key] for key in ("href", "src") if given.get(key)]
        if tag in ("a", "code", "pre"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if self._inside == ["code"] and data.startswith("fastopt.") and data.replace(".", "").isidentifier():
            self.loose.append(data)


def broken(folder):
    """A sentence for each link of a page in ``folder`` that leads nowhere."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).rglob("*.html"))}
    if not pages:
        return [f"{folder} must hold HTML pages, got none"]
    found = []
    for path, page in pages.items():
        found += [f"{path.name}: {name} is no link: there is nothing of that name" for name in page.loose]
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{path.name}: {link} leads to no file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{path.name}: {link} leads to no anchor")
    return found


if __name__ == "__main__":
    problems = broken(sys.argv[1])
    print("\n".join(problems) or f"every link in {sys.argv[1]} leads somewhere")
    sys.exit(bool(problems))
