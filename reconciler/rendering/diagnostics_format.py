"""Which rendering a `-f` word means. Imports only the one that is asked for, so that text costs no JSON.

This module refuses to know any format itself.
"""

from typing import Final, Literal, assert_never

from reconciler.diagnostics import Diagnostics, SourceTexts

__all__ = ["FORMATS", "Format", "render"]

Format = Literal["text", "json", "github", "sarif", "junit"]
FORMATS: Final[tuple[Format, ...]] = ("text", "json", "github", "sarif", "junit")


def render(word: Format, diagnostics: Diagnostics, texts: SourceTexts, *, color: bool) -> str:
    """All findings in the format, ending with a newline. `color` matters to text alone."""
    match word:
        case "text":
            from reconciler.rendering import diagnostics_text

            return diagnostics_text.render(diagnostics, texts, color=color)
        case "json":
            from reconciler.rendering import diagnostics_json

            return diagnostics_json.render(diagnostics, texts)
        case "github":
            from reconciler.rendering import diagnostics_github

            return diagnostics_github.render(diagnostics, texts)
        case "sarif":
            from reconciler.rendering import diagnostics_sarif

            return diagnostics_sarif.render(diagnostics, texts)
        case "junit":
            from reconciler.rendering import diagnostics_junit

            return diagnostics_junit.render(diagnostics, texts)
        case _:
            assert_never(word)
