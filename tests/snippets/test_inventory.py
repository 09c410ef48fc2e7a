"""Every block that a reader runs is run by a test, or is listed with the reason why not."""

import pytest

from tests.snippets import blocks
from tests.snippets.blocks import BLOCKS, blocks_of
from tests.snippets.inventory import ACCOUNT, DESCRIBED, DIAGRAMS, FIRST_STEPS, NOT_RUN, PROGRAMS


def test_every_block_of_a_program_is_run_or_listed_with_a_reason() -> None:
    run = {*PROGRAMS.values(), *FIRST_STEPS, *ACCOUNT, *DESCRIBED}

    found = {name for name, block in BLOCKS.items() if block.language in blocks.PROGRAMS}

    assert found == run | NOT_RUN.keys(), "list the block in tests/snippets/inventory.py"
    assert not run & NOT_RUN.keys()


def test_every_block_has_a_language_that_is_known() -> None:
    unknown = {
        name: block.language
        for name, block in BLOCKS.items()
        if block.language not in blocks.PROGRAMS | blocks.NOT_PROGRAMS
    }

    assert unknown == {}
    assert {name for name, block in BLOCKS.items() if not block.language} == DIAGRAMS


def test_blocks_are_found_in_lists_and_between_all_fences() -> None:
    page = "# A\n```sh\none\n```\n1. x\n\n   ~~~~python\n   two\n     three\n   ~~~~\n## B\n```\nfour\n````\n"

    found = [(block.name, block.text) for block in blocks_of("page", page)]

    assert found == [
        ("page: A: sh", "one\n"),
        ("page: A: python", "two\n  three\n"),
        ("page: B: ", "four\n"),
    ]


def test_a_block_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no end"):
        list(blocks_of("page", "# A\n```sh\none\n"))
