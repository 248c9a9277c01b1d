"""Pictures of terminals for docs/: with SCREENSHOTS in the environment, they are saved in that folder."""

import os
import re
from pathlib import Path

__all__ = ["save"]


def save(name, title, picture, columns):
    """Save what a terminal of so many columns shows, a text with its colours."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        from rich.console import Console
        from rich.text import Text

        with open(os.devnull, "w") as nowhere:
            console = Console(record=True, file=nowhere, width=columns)
            console.print(Text.from_ansi(picture))
            svg = console.export_svg(title=title)
        # Without fonts from elsewhere, it shows in any monospaced one.
        Path(folder, name + ".svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))
