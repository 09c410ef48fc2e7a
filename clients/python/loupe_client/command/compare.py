"""A page that shows two pictures on top of each other, with a slider between them.

Both pictures are in the page itself, so that it can be sent to somebody as one file.
"""

import base64
import html
import mimetypes
from pathlib import Path
from string import Template

PAGE = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$before and $after</title>
<style>
  :root { color-scheme: light dark; }
  body { margin: 0; min-height: 100vh; display: grid; grid-template-rows: 1fr auto; background: #767676;
         font: 15px/1.4 system-ui, sans-serif; color: #fff; }
  .frame { position: relative; margin: auto; max-width: 100vw; }
  .frame img { display: block; max-width: 100vw; max-height: calc(100vh - 5rem); width: auto; }
  .frame .before { position: absolute; inset: 0; width: 100%; height: 100%;
                   clip-path: inset(0 calc(100% - var(--at, 50%)) 0 0); image-rendering: auto; }
  .line { position: absolute; top: 0; bottom: 0; left: var(--at, 50%); width: 2px; margin-left: -1px;
          background: #fff; box-shadow: 0 0 4px #0008; pointer-events: none; }
  input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: ew-resize; }
  input:focus-visible ~ .line { width: 4px; margin-left: -2px; }
  footer { display: flex; justify-content: space-between; gap: 1rem; padding: 1rem; background: #444; }
</style>
<div class="frame">
  <img class="after" src="$after_data" alt="$after">
  <img class="before" src="$before_data" alt="$before">
  <input type="range" min="0" max="100" step="0.1" value="50" aria-label="How much of $before is shown">
  <div class="line"></div>
</div>
<footer><span>← $before</span><span>$after →</span></footer>
<script>
  const slider = document.querySelector("input");
  slider.addEventListener("input", () => {
    document.querySelector(".frame").style.setProperty("--at", slider.value + "%");
  });
</script>
</html>
""")


def page_of(before: Path, after: Path) -> str:
    """Return the page for two files. Raise `OSError` if one cannot be read."""
    return PAGE.substitute(
        before=html.escape(before.name),
        after=html.escape(after.name),
        before_data=data_of(before),
        after_data=data_of(after),
    )


def data_of(path: Path) -> str:
    """Return a picture as a `data:` address."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
