"""Names and labels have only characters that people can see."""

import pytest

from common import labels


@pytest.mark.parametrize(
    "text", ["Jane Smith", "Zoë", "محمد", "李 小龍", "👩\u200d💻", "", "a\u00a0b", "O'Hara-Ś"]
)
def test_text_of_all_languages_is_clean(text: str) -> None:
    assert labels.is_clean(text)
    assert labels.clean(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\nb", "a b"),
        ("a\r\n\r\nb", "a b"),
        ("\x1b[31mred", "[31mred"),
        ("a\u2028b\u2029c", "a b c"),
        ("user\u202egnp.exe", "user gnp.exe"),
        ("\u2067x\u2069", "x"),
        ("a\x85b", "a b"),
        ("a\u200eb\u200fc\u061cd", "a b c d"),
        ("Jo\U000e0041\U000e007f", "Jo"),
        ("\0", ""),
    ],
)
def test_characters_that_a_label_may_not_have_become_a_space(text: str, cleaned: str) -> None:
    assert not labels.is_clean(text)
    assert labels.clean(text) == cleaned


@pytest.mark.parametrize("text", ["J", " 李", "محمد", "👩\u200d💻", "\u200bx", "ｱ", "e\u0301"])
def test_text_with_one_visible_character_is_visible(text: str) -> None:
    assert labels.is_visible(text)


@pytest.mark.parametrize(
    "character",
    [
        "",
        " ",
        "\u00a0",
        "\u00ad",
        "\u034f",
        "\u115f",
        "\u200b",
        "\u2060",
        "\u2800",
        "\u3000",
        "\u3164",
        "\ufe0f",
        "\ufeff",
        "\uffa0",
        "\U000e0100",
    ],
)
def test_text_of_characters_that_nobody_sees_is_invisible(character: str) -> None:
    assert not labels.is_visible(character * 3)
