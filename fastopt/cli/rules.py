"""What ``fastopt rules`` prints."""

from ..rules.table import COLUMNS, rows


def show_rules(console):
    """The same for a rich console; one under the other where the columns do not fit beside each other."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    wide, narrow = (Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False) for _ in range(2))
    for name in COLUMNS:
        wide.add_column(name)
    narrow.add_column(COLUMNS[0])
    narrow.add_column(" · ".join(COLUMNS[1:]), overflow="fold")
    for row in rows():
        wide.add_row(*row)
        narrow.add_row(row[0], f"{row[1]}\nstate: {row[2]}\n{row[3]}")
    fits = console.measure(wide, options=console.options.update(max_width=1000)).maximum <= console.width
    console.print(wide if fits else narrow)
