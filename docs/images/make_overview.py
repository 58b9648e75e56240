"""The picture of the README, from real output: a notebook in JupyterLab, a feedback page, the report of a class.

    make demo
    .venv/bin/python docs/images/make_overview.py

It needs Chromium and a minute, and writes overview.png beside itself.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from conftest import chromium_program
from jupyterlab_session import NotebookPage, chromium_browser, jupyterlab
from playwright.sync_api import Browser

from autograder.compiler.manifest import build_notebook
from autograder.curriculum import load_curriculum

GRADED = Path(__file__).resolve().parents[2] / "build" / "demo" / "graded"
STUDENT = "omar.haddad"  # wrong in the typical ways
SHOWN_WIDGET, SHOWN_EXERCISE = "loss_surface", "softmax_regression_gradient"
# A mistake that the check names: the mean was forgotten.
WRONG = """def softmax_regression_gradient(x, labels, weights):
    errors = softmax(x @ weights) - torch.nn.functional.one_hot(labels, weights.shape[1])
    return x.T @ errors
"""
HEIGHT, GAP = 1500, 24  # pixels of the panels, which are shown at half their size
PAPER = (246, 246, 244)


def notebook_panel(browser: Browser) -> Image.Image:
    """A figure with a path of descent, and the check of a wrong gradient below it."""
    built = build_notebook(load_curriculum().notebooks()[0])
    with tempfile.TemporaryDirectory() as home, jupyterlab(Path(home)) as lab:
        (lab.folder / f"{built.notebook.name}.ipynb").write_text(built.solved_text)
        page = NotebookPage(browser, lab, f"{built.notebook.name}.ipynb", width=900, height=HEIGHT)
        page.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
        check = f"check-{SHOWN_EXERCISE}"
        kept = ("setup-", "demo-", "exercise-", f"widget-{SHOWN_WIDGET}")
        for cell_id in page.ids[: page.ids.index(check)]:
            if cell_id.startswith(kept):
                page.run(cell_id)
        page.write(f"exercise-{SHOWN_EXERCISE}", WRONG)
        page.run(f"exercise-{SHOWN_EXERCISE}")
        page.run(check)
        shown = (f"widget-{SHOWN_WIDGET}", f"exercise-{SHOWN_EXERCISE}", check)
        page.page.evaluate(
            """shown => {  // between the figure and the exercise stands a page of prose; the picture is small
                const cells = [...document.querySelectorAll(".jp-Notebook .jp-Cell")];
                cells.forEach((cell, i) => { if (!shown.includes(i)) cell.style.display = "none"; });
            }""",
            [page.ids.index(cell_id) for cell_id in shown],
        )
        page.cell(shown[0]).scroll_into_view_if_needed()
        shot = _image(page.page.locator(".jp-NotebookPanel").screenshot())
        page.close()
    return shot


def page_panel(browser: Browser, path: Path, *hidden: str) -> Image.Image:
    """The top of a page, without the parts that these selectors name."""
    if not path.is_file():
        sys.exit(f"{path} not found; run `make demo` first")
    page = browser.new_page(viewport={"width": 900, "height": HEIGHT}, color_scheme="light")
    page.goto(path.as_uri())
    for selector in hidden:
        page.locator(selector).evaluate_all("elements => elements.forEach(element => element.remove())")
    shot = _image(page.screenshot())
    page.close()
    return shot


def _image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def main() -> None:
    program = chromium_program()
    if program is None:
        sys.exit("Chromium not found; `make setup` installs it, or name it in CHROMIUM")
    assignment = load_curriculum().assignments[0].name
    with chromium_browser(program) as browser:
        panels = [
            notebook_panel(browser),
            page_panel(
                browser,
                GRADED / STUDENT / f"{assignment}.feedback.html",
                ".exercise.good",
                "section.card:has(table):not(.exercise)",
            ),
            page_panel(browser, GRADED / f"{assignment}.report.html", ".card.notice"),
        ]
    panels = [panel.resize((panel.width // 2 * 4 // 3, panel.height // 2 * 4 // 3), Image.LANCZOS) for panel in panels]
    width = sum(panel.width for panel in panels) + GAP * (len(panels) + 1)
    overview = Image.new("RGB", (width, panels[0].height + 2 * GAP), PAPER)
    left = GAP
    for panel in panels:
        overview.paste(panel, (left, GAP))
        left += panel.width + GAP
    target = Path(__file__).with_name("overview.png")
    overview.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target.name}: {overview.width} x {overview.height}, {target.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
