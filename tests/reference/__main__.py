"""Writes the pages of docs/reference anew.

usage: python -m tests.reference
"""

from tests.reference.pages import FOLDER, pages


def main() -> None:
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
