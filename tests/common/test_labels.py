"""Names and labels have only characters that people can see."""

import pytest

from common import labels


@pytest.mark.parametrize(
    "text",
    [
        "Jane Smith",
        "Zoë",
        "محمد",
        "李 小龍",
        "👩\u200d💻",
        "",
        "a\u00a0b",
        "O'Hara-Ś",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "Ian 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f!",
        "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f" * 2,
        "👨\u200d👩\u200d👧\u200d👦",
        "👩🏽\u200d🚀",
        "🏳\ufe0f\u200d🌈",
        "👁\ufe0f\u200d🗨\ufe0f",
        "🏴\u200d☠\ufe0f",
        "🙂\u200d↔\ufe0f",
        "1\ufe0f\u20e3#\ufe0f\u20e3",
        "❤\ufe0f and ❤\ufe0e",
        "🇩🇪",
        "\u2139\ufe0f ©\ufe0f",
        "葛\U000e0100城",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "ක්\u200dෂ",
        "র\u200d্য",
    ],
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
        ("🏴\U000e0067\U000e0062", "🏴"),
        ("🏴\U000e007f", "🏴"),
        ("🏴\U000e0067\U000e007f", "🏴"),
        ("🏴" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbsecret") + "\U000e007f", "🏴"),
        ("🏴\U000e0047\U000e0042\U000e0045\U000e004e\U000e0047\U000e007f", "🏴"),
        ("😀\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "😀"),
        ("\U000e0001a", "a"),
        ("Ja\u200bne", "Ja ne"),
        ("Ja\u00adne", "Ja ne"),
        ("Ja\u2060ne\ufeff", "Ja ne"),
        ("Ja\u200dne", "Ja ne"),
        ("Ja\u200cne", "Ja ne"),
        ("👩\u200d", "👩"),
        ("\u200d💻", "💻"),
        ("👩\u200d\u200d💻", "👩 💻"),
        ("👩\u200d\ufe0f", "👩"),
        ("❤\ufe0f\ufe0f", "❤\ufe0f"),
        ("a\U000e0100", "a"),
        ("葛\U000e0100\U000e0101", "葛\U000e0100"),
        ("\ufe0fa", "a"),
        ("a \ufe0f\u200d💻", "a  💻"),
        ("J\ufe0fane", "J ane"),
    ],
)
def test_characters_that_a_label_may_not_have_become_a_space(text: str, cleaned: str) -> None:
    assert not labels.is_clean(text)
    assert labels.clean(text) == cleaned
    assert labels.is_clean(labels.without_forbidden(text))
    assert labels.is_clean(cleaned)


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
