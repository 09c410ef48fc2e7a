"""The page gets the figures of the runs between its marks, and keeps everything else."""

from pathlib import Path

from tests.chaos import report

OUTCOMES = [
    {
        "seed": 2,
        "accepted": 100,
        "seconds": 240.0,
        "kills": {"nats": 2, "images": 1},
        "strikes": {"kill": 3},
        "violations": {"objects": ["the object a belongs to no row", "the object b belongs to no row"]},
    },
    {
        "seed": 1,
        "accepted": 50,
        "seconds": 60.0,
        "kills": {"nats": 1},
        "strikes": {"kill": 1, "freeze": 4},
        "violations": {},
    },
]


def test_the_tables_name_each_run_and_add_up_components_and_faults() -> None:
    lines = report.table(OUTCOMES).splitlines()

    assert lines[2:5] == [
        "| 1 | 50 | 1 | none | 1.0 |",
        "| 2 | 100 | 3 | objects: 2 | 4.0 |",
        "| all | 150 | 4 | 2 | |",
    ]
    assert "| nats | 3 |" in lines
    assert "| kill | 4 |" in lines


def test_the_page_keeps_what_is_outside_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "chaos.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")

    report.write(OUTCOMES, page)
    once = page.read_text()
    report.write(OUTCOMES, page)

    assert once == page.read_text()
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once


def test_the_real_page_has_both_marks() -> None:
    text = report.PAGE.read_text()

    assert text.count(report.BEGIN) == text.count(report.END) == 1
