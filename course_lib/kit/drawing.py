"""A pad on which a digit is drawn and classified while the pen moves.

The browser side knows nothing but ink: it sends a square of darkness, and shows the probabilities and the small image
that come back. Cropping, centring and shrinking the ink to what a model was trained on happens in Python, where it can
be tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from course_lib.kit.widgets import css_pixels, figure_png, live_widgets

RASTER_SIDE = 56
PEN_WIDTH = (
    0.15  # of the side; then a drawn digit has as much ink, 0.30 of its cells, as scikit-learn's have on average
)
_FINE = 4  # cells of a model's image are averages of 4 by 4 fine ones, as in scikit-learn's digits

# The pen's path of a "3" in a unit square, y downwards: what the pad shows where nobody can draw.
EXAMPLE_STROKES: tuple[tuple[tuple[float, float], ...], ...] = (
    (
        (0.28, 0.22), (0.40, 0.13), (0.56, 0.12), (0.68, 0.20), (0.68, 0.34), (0.56, 0.45), (0.44, 0.48),
        (0.58, 0.51), (0.70, 0.60), (0.71, 0.75), (0.60, 0.86), (0.43, 0.88), (0.28, 0.80),
    ),
)  # fmt: skip


def ink_from_strokes(
    strokes: Sequence[Sequence[tuple[float, float]]], side: int = RASTER_SIDE, width: float = PEN_WIDTH
) -> np.ndarray:
    """Draw pen strokes into a square of ink.

    Args:
        strokes: each a sequence of points (x, y) in the unit square, y downwards.
        side: cells along each side of the result.
        width: the pen's width, as a share of the side.

    Returns:
        An array (side, side), 0 paper to 1 ink.

    >>> ink_from_strokes([[(0.5, 0.1), (0.5, 0.9)]]).shape
    (56, 56)
    """
    scale = _FINE * side
    picture = Image.new("L", (scale, scale), 0)
    pen = ImageDraw.Draw(picture)
    radius = width * scale / 2
    for stroke in strokes:
        points = [(x * scale, y * scale) for x, y in stroke]
        pen.line(points, fill=255, width=round(2 * radius), joint="curve")
        for x, y in points:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(picture.reduce(_FINE), dtype=np.float32) / 255


def fit_drawing(ink: np.ndarray, side: int) -> np.ndarray:
    """Bring a drawing into the form of a data set's images.

    The ink is cropped to its bounding box and scaled, with its proportions kept, so that the longer side fills the box
    that the data set uses: all of an image of scikit-learn's digits (8 cells), 20 of 28 cells of an MNIST image. An
    MNIST image has its centre of mass in the middle, a small one the centre of its bounding box.

    Args:
        ink: (H, W), 0 paper to 1 ink.
        side: cells along each side of the result; 8 for scikit-learn's digits, 28 for MNIST.

    Returns:
        An array (side, side), 0 to 1; all zero when there is no ink.

    >>> bar = np.zeros((56, 56))
    >>> bar[10:50, 30:50] = 1
    >>> fit_drawing(bar, 8)[0]
    array([0., 0., 1., 1., 1., 1., 0., 0.], dtype=float32)
    """
    inked = ink > 0.1
    if not inked.any():
        return np.zeros((side, side), dtype=np.float32)
    rows, columns = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    box = side if side < 20 else round(side * 20 / 28)
    scale = _FINE * box / max(crop.shape)
    height, width = (max(1, round(length * scale)) for length in crop.shape)
    picture = Image.fromarray((np.clip(crop, 0, 1) * 255).astype(np.uint8)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    fine = np.asarray(picture, dtype=np.float32) / 255
    page = _FINE * side
    top, left = (page - height) // 2, (page - width) // 2
    if box < side:
        mass = fine.sum()
        top = round(page / 2 - float((fine.sum(1) @ (np.arange(height) + 0.5)) / mass))
        left = round(page / 2 - float((fine.sum(0) @ (np.arange(width) + 0.5)) / mass))
        top, left = min(max(top, 0), page - height), min(max(left, 0), page - width)
    canvas = np.zeros((page, page), dtype=np.float32)
    canvas[top : top + height, left : left + width] = fine
    return canvas.reshape(side, _FINE, side, _FINE).mean((1, 3))


class DigitPad:
    """Ink in, probabilities out; the browser's part is added where there is somebody to draw."""

    def __init__(self, classify: Callable[[np.ndarray], Any], side: int, names: Sequence[str]) -> None:
        self.classify = classify
        self.side = side
        self.names = tuple(names)
        self.image = np.zeros((side, side), dtype=np.float32)
        self.probabilities = np.zeros(len(self.names))

    def draw(self, ink: np.ndarray) -> np.ndarray:
        """Classify a drawing given as an array, as if a pen had made it.

        Args:
            ink: (H, W), 0 paper to 1 ink.

        Returns:
            The probabilities (C,); all zero when there is no ink.

        Raises:
            ValueError: `classify` did not return one probability per class.
        """
        self.image = fit_drawing(np.asarray(ink, dtype=np.float32), self.side)
        if not self.image.any():
            self.probabilities = np.zeros(len(self.names))
            return self.probabilities
        answer = self.classify(self.image)
        answer = answer.detach().cpu().numpy() if hasattr(answer, "detach") else np.asarray(answer)
        if answer.size != len(self.names):
            raise ValueError(
                f"classify returned {answer.size} numbers for one drawing, and there are {len(self.names)} classes: "
                "return one probability per class"
            )
        self.probabilities = answer.reshape(-1).astype(float)
        return self.probabilities

    def figure(self) -> Figure:
        """The last drawing as the model sees it, and the probabilities beside it."""
        from course_lib.figures.softmax_regression import digit_probabilities

        return digit_probabilities(self.image[None], self.probabilities[None], names=self.names)

    def view(self) -> Any:
        """The live pad, an anywidget.

        Raises:
            ImportError: anywidget is not installed.
        """
        return _live_pad(self)

    def _ipython_display_(self) -> None:
        from IPython.display import Image as Picture
        from IPython.display import display

        if live_widgets("anywidget"):
            display(self.view())
            return
        try:
            self.draw(ink_from_strokes(EXAMPLE_STROKES))
        except NotImplementedError as error:  # the classifier is an exercise that is still empty
            print(f"Nothing can be classified yet: {error}")
            return
        print("A still picture of a stored drawing: in a notebook, with anywidget installed, you draw here yourself.")
        figure = self.figure()
        display(Picture(figure_png(figure), width=css_pixels(figure)))


def draw_digit(
    classify: Callable[[np.ndarray], Any], side: int = 8, names: Sequence[str] = tuple("0123456789")
) -> DigitPad:
    """A pad on which a digit is drawn and classified while the pen moves.

    Args:
        classify: takes an image (side, side), float32, 0 paper to 1 ink; returns one probability per class, as a tensor
            or an array.
        side: cells along each side of the images that the model was trained on.
        names: the names of the classes.

    Returns:
        A `DigitPad`: as the last value of a cell it appears as a pad; its `draw` classifies an array.

    >>> pad = draw_digit(lambda image: [image.mean(), 1 - image.mean()], side=8, names=("dark", "light"))
    >>> pad.draw(np.ones((56, 56)))
    array([1., 0.])
    """
    return DigitPad(classify, side, names)


def _live_pad(pad: DigitPad) -> Any:
    import anywidget
    import traitlets

    _enable_in_colab()

    class LivePad(anywidget.AnyWidget):
        _esm = _SCRIPT
        _css = _STYLE
        raster_side = traitlets.Int(RASTER_SIDE).tag(sync=True)
        image_side = traitlets.Int(pad.side).tag(sync=True)
        pen_width = traitlets.Float(PEN_WIDTH).tag(sync=True)
        names = traitlets.List(list(pad.names)).tag(sync=True)
        raster = traitlets.CBytes(b"").tag(sync=True)  # arrives as a memoryview
        seen: traitlets.List[float] = traitlets.List([]).tag(sync=True)
        probabilities = traitlets.List([0.0] * len(pad.names)).tag(sync=True)
        complaint = traitlets.Unicode("").tag(sync=True)

        @traitlets.observe("raster")
        def _drawn(self, change: dict[str, Any]) -> None:
            ink = np.frombuffer(bytes(change["new"]), dtype=np.uint8).reshape(RASTER_SIDE, RASTER_SIDE) / 255
            # The function calls what the learner wrote: whatever it raises belongs under the pad, not into a log.
            try:
                probabilities = pad.draw(ink)
            except Exception as error:
                self.complaint = f"{type(error).__name__}: {error}"
                return
            with self.hold_sync():
                self.complaint = ""
                self.seen = pad.image.reshape(-1).round(3).tolist()
                self.probabilities = np.nan_to_num(probabilities).round(4).tolist()

    return LivePad()


def _enable_in_colab() -> None:
    try:
        from google.colab import output
    except ImportError:
        return
    output.enable_custom_widget_manager()


_SCRIPT = """
function render({ model, el }) {
  const side = model.get("raster_side"), cells = model.get("image_side"), names = model.get("names");
  const root = document.createElement("div");
  root.className = "digit-pad";
  root.innerHTML = `
    <div class="digit-pad-column">
      <canvas class="digit-pad-paper" width="448" height="448"
        aria-label="Draw a digit here with the mouse or a finger"></canvas>
      <button type="button">Clear</button>
    </div>
    <div class="digit-pad-column">
      <canvas class="digit-pad-seen" width="${cells}" height="${cells}"
        aria-label="The image that the model sees"></canvas>
      <span class="digit-pad-note">what the model sees</span>
    </div>
    <div class="digit-pad-bars" role="img" aria-label="Probability of each digit"></div>
    <div class="digit-pad-complaint"></div>`;
  el.appendChild(root);
  const paper = root.querySelector(".digit-pad-paper"), pen = paper.getContext("2d");
  const seen = root.querySelector(".digit-pad-seen").getContext("2d");
  const bars = names.map((name) => {
    const row = document.createElement("div");
    row.className = "digit-pad-row";
    const [label, track, fill, number] = [0, 1, 2, 3].map(() => document.createElement("span"));
    label.textContent = name;
    track.className = "digit-pad-track";
    fill.className = "digit-pad-fill";
    number.className = "digit-pad-number";
    track.appendChild(fill);
    row.append(label, track, number);
    root.querySelector(".digit-pad-bars").appendChild(row);
    return { row, fill, number };
  });
  const small = document.createElement("canvas");
  small.width = small.height = side;
  const shrink = small.getContext("2d", { willReadFrequently: true });
  shrink.imageSmoothingQuality = "high";

  // The theme's text colour, without its transparency: strokes overlap.
  const rgb = () => (getComputedStyle(root).color.match(/[0-9.]+/g) || [0, 0, 0]).slice(0, 3).map(Number);
  let last = null, timer = null;
  function place(event) {
    const box = paper.getBoundingClientRect(), scale = paper.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }
  function send() {
    timer = null;
    shrink.clearRect(0, 0, side, side);
    shrink.drawImage(paper, 0, 0, side, side);
    const rgba = shrink.getImageData(0, 0, side, side).data, alpha = new Uint8Array(side * side);
    for (let i = 0; i < alpha.length; i++) alpha[i] = rgba[4 * i + 3];
    model.set("raster", new DataView(alpha.buffer));
    model.save_changes();
  }
  const sendSoon = () => { if (timer === null) timer = setTimeout(send, 60); };
  function stroke(to) {
    pen.strokeStyle = `rgb(${rgb().join(",")})`;
    pen.lineWidth = model.get("pen_width") * paper.width;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...to);
    pen.stroke();
    last = to;
    sendSoon();
  }
  paper.addEventListener("pointerdown", (event) => {
    paper.setPointerCapture(event.pointerId);
    last = place(event);
    stroke([last[0] + 0.1, last[1]]);
    event.preventDefault();
  });
  paper.addEventListener("pointermove", (event) => { if (last) stroke(place(event)); });
  const lift = () => { last = null; };
  paper.addEventListener("pointerup", lift);
  paper.addEventListener("pointercancel", lift);
  root.querySelector("button").addEventListener("click", () => {
    pen.clearRect(0, 0, paper.width, paper.height);
    send();
  });

  function show() {
    const p = model.get("probabilities"), best = Math.max(...p);
    bars.forEach(({ row, fill, number }, i) => {
      fill.style.width = `${100 * p[i]}%`;
      number.textContent = best > 0 ? `${(100 * p[i]).toFixed(0)} %` : "";
      row.classList.toggle("digit-pad-best", best > 0 && p[i] === best);
    });
    root.querySelector(".digit-pad-complaint").textContent = model.get("complaint");
    const values = model.get("seen"), image = seen.createImageData(cells, cells);
    const [r, g, b] = rgb();
    for (let i = 0; i < values.length; i++) image.data.set([r, g, b, 255 * values[i]], 4 * i);
    seen.putImageData(image, 0, 0);
  }
  for (const name of ["probabilities", "seen", "complaint"]) model.on(`change:${name}`, show);
  show();
}
export default { render };
"""

_STYLE = """
.digit-pad { display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; padding: 8px 2px;
  color: var(--jp-content-font-color1, var(--vscode-foreground, currentColor)); font: 13px/1.4 system-ui, sans-serif; }
.digit-pad-column { display: flex; flex-direction: column; gap: 8px; align-items: center; }
.digit-pad-paper { width: 224px; height: 224px; border: 1px solid #8a8a8a; border-radius: 8px; cursor: crosshair;
  touch-action: none; }
.digit-pad-seen { width: 112px; height: 112px; border: 1px solid #8a8a8a; image-rendering: pixelated; }
.digit-pad-note { opacity: 0.75; font-size: 12px; }
.digit-pad button { color: inherit; background: transparent; border: 1px solid #8a8a8a; border-radius: 6px;
  padding: 3px 14px; cursor: pointer; }
.digit-pad-bars { display: flex; flex-direction: column; gap: 3px; width: 260px; }
.digit-pad-row { display: grid; grid-template-columns: 1.2em 1fr 3.2em; gap: 8px; align-items: center; }
.digit-pad-track { height: 14px; border-radius: 4px; background: rgba(128, 128, 128, 0.2); overflow: hidden; }
.digit-pad-fill { display: block; height: 100%; width: 0; background: #7f8c99; transition: width 0.12s linear; }
.digit-pad-best { font-weight: 600; }
.digit-pad-best .digit-pad-fill { background: #2f8fd0; }
.digit-pad-number { text-align: right; font-variant-numeric: tabular-nums; }
.digit-pad-complaint { flex-basis: 100%; font-family: monospace; }
"""
