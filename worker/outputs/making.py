"""Makes the files of one drawing: the plain PNGs always, everything else as far as it can be made.

What was asked for in colours is put into them first, so that every file has them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
from PIL import Image

from shared.canvas import Canvas
from shared.observability.logging import get_logger
from shared.outputs import Outputs
from shared.results.formats import FORMATS, ICONS, LOGO, PNG, SHEET, SVG, ZIP, transparent_name
from shared.results.places import image_name
from shared.styles.colours import hex_of
from worker.outputs import branding, ground, tracing
from worker.outputs.encoding import encode
from worker.outputs.files import About, File, Made, Marking, Shortfall
from worker.outputs.framing import framed
from worker.outputs.icons import icons
from worker.outputs.metadata import rdf
from worker.outputs.sheet import sheet, tile

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.results.formats import Format
    from worker.outputs.tracing import Traced

__all__ = ["About", "File", "Made", "Marking", "Shortfall", "make", "make_sheet"]

log = get_logger(__name__)
T = TypeVar("T")
# Of the flat pixels; a drawing that is less in the colours that were asked for gets a warning.
LEAST_SHARE = 0.95

PLAIN = Outputs()
# A job is one of several on its machine, and OpenCV's threads would outnumber the cores.
cv2.setNumThreads(1)


def make(  # noqa: PLR0913 - the whole interface
    drawn: Image.Image, sizes: tuple[Canvas | int, ...], index: int, outputs: Outputs, about: About, settings: Marking
) -> Made:
    """The files of variation `index`, from 0. Only a plain PNG that cannot be made is an exception; any other output
    that cannot be made is left out, logged, and named by a warning.

    :param drawn: RGB, at the full size that was drawn; one of another aspect is put on a larger ground, with a warning.
    :param sizes: of one aspect.
    """
    canvases = sorted({Canvas.of(size) for size in sizes})
    whole, around = framed(drawn.convert("RGB"), canvases[-1])
    making = _Making(whole, index, outputs, about, settings)
    if around:
        names = ", ".join(PNG.file_name(image_name(canvas, index)) for canvas in canvases)
        message = f"{names}: drawn in {drawn.width}x{drawn.height} pixels, and {around} was continued around it"
        making.made.warnings.append(Shortfall("padded", message))
    making.run(canvases)
    return making.made


def make_sheet(tiles: list[Image.Image], captions: list[str], about: About, settings: Marking) -> Made:
    """The sheet of all variations; nothing but a warning if it cannot be made."""
    making = _Making(tiles[0], 0, PLAIN, about, settings)
    making.attempt_sheet(tiles, captions)
    return making.made


class _Making:
    def __init__(self, drawn: Image.Image, index: int, outputs: Outputs, about: About, marking: Marking) -> None:
        self.made = Made()
        self._drawn = drawn
        self._index = index
        self._outputs = outputs
        self._about = about
        self._marking = marking
        self._unsigned: list[str] = []

    def run(self, sizes: list[Canvas]) -> None:
        outputs = self._outputs
        if outputs.colors or outputs.background_color:
            self._attempt("colors", "the colours are as they are drawn", self._brand)
        if outputs.sheet:
            self.made.tile = tile(self._drawn)
        opaque = {size: _resized(self._drawn, size) for size in sizes}
        for size, image in opaque.items():
            self._add_image(image_name(size, self._index), PNG, image)
        cut = None
        if outputs.transparent or outputs.icons:
            cut = self._attempt("transparent", self._with_ground(sizes), self._cut_out)
        clear: dict[Canvas, Image.Image] = {}
        if cut and outputs.transparent:
            clear = self._attempt("transparent", self._with_ground(sizes), self._add_transparent, cut, sizes) or {}
        for form in self._formats():
            for size in sizes:
                name = image_name(size, self._index)
                image = clear.get(size, opaque[size]) if form.has_alpha else opaque[size]
                self._attempt(form.name, f"no {form.file_name(name)}", self._add_image, name, form, image)
        self._add_vectors(cut)
        self._warn_of_unsigned()

    def attempt_sheet(self, tiles: list[Image.Image], captions: list[str]) -> None:
        self._attempt(SHEET, f"no {PNG.file_name(SHEET)}", lambda: self._add_image(SHEET, PNG, sheet(tiles, captions)))
        self._warn_of_unsigned()

    def _warn_of_unsigned(self) -> None:
        if self._unsigned:
            self._warn("signing_failed", f"no content credentials in {', '.join(self._unsigned)}")

    def _brand(self) -> None:
        colours, background = self._outputs.colors, self._outputs.background_color
        branded = branding.brand(np.asarray(self._drawn), colours, background)
        self._drawn = Image.fromarray(branded.rgb)
        self.made.colors_share = round(branded.share, 4)
        if background and not branded.has_ground:
            self._warn("background_not_uniform", "background_color: the border has no colour of its own")
        if branded.share < LEAST_SHARE:
            asked = " and ".join(["colors"] * bool(colours) + ["background_color"] * bool(background))
            self._warn("colors_missed", f"{asked}: {branded.share:.0%} of the flat pixels have one of them")

    def _formats(self) -> list[Format]:
        """Those that Pillow writes, beside PNG."""
        known = [FORMATS[name] for name in dict.fromkeys(self._outputs.formats) if name in FORMATS]
        return [form for form in known if form.encoder and form is not PNG]

    def _add_transparent(self, cut: Image.Image, sizes: list[Canvas]) -> dict[Canvas, Image.Image]:
        clear = {size: _resized(cut, size) for size in sizes}
        for size, image in clear.items():
            self._add_image(transparent_name(size, self._index), PNG, image)
        return clear

    def _add_vectors(self, cut: Image.Image | None) -> None:
        """The SVG, and the icons, which have it too."""
        outputs, traced = self._outputs, None
        wanted = SVG.name in outputs.formats
        svg_name = SVG.file_name(image_name(LOGO, self._index))
        zip_name = ZIP.file_name(image_name(ICONS, self._index))
        if wanted:
            traced = self._attempt("svg", f"no {svg_name}", self._add_svg, cut if outputs.transparent else None)
        elif outputs.icons:
            traced = self._attempt("svg", f"no {svg_name} in {zip_name}", self._trace, cut)
        if outputs.icons:
            self._attempt("icons", f"no {zip_name}", self._add_icons, zip_name, cut, traced)

    def _add_svg(self, cut: Image.Image | None) -> Traced:
        traced = self._trace(cut)
        document = traced.document(rdf(self._about, detailed=self._marking.metadata))
        self._add(image_name(LOGO, self._index), SVG, traced.width, traced.height, document)
        self.made.palette = traced.palette
        return traced

    def _add_icons(self, name: str, cut: Image.Image | None, traced: Traced | None) -> None:
        paper = ground.border_colour(np.asarray(self._drawn))
        data = icons(cut or self._drawn.convert("RGBA"), paper, traced.document() if traced else None)
        self.made.files.append(File(name, ZIP.name, ZIP.media_type, 0, 0, data))

    def _cut_out(self) -> Image.Image:
        rgb = np.asarray(self._drawn)
        return Image.fromarray(ground.cut_out(rgb, ground.estimate(rgb), self._outputs.holes))

    def _trace(self, cut: Image.Image | None) -> Traced:
        colours, background = self._outputs.colors, self._outputs.background_color
        branded = self.made.colors_share is not None and bool(colours)
        behind = background or (hex_of(ground.border_colour(np.asarray(self._drawn))) if branded else "")
        return tracing.trace(np.asarray(cut or self._drawn), [*colours, *filter(None, [behind])], only=branded)

    def _with_ground(self, sizes: list[Canvas]) -> str:
        """What a warning says when the ground stays."""
        names: list[str] = []
        if self._outputs.transparent:
            clear = [form for form in self._formats() if form.has_alpha]
            names += [PNG.file_name(transparent_name(size, self._index)) for size in sizes]
            names += [form.file_name(image_name(size, self._index)) for form in clear for size in sizes]
            if SVG.name in self._outputs.formats:
                names.append(SVG.file_name(image_name(LOGO, self._index)))
        if self._outputs.icons:
            names.append(ZIP.file_name(image_name(ICONS, self._index)))
        return f"no transparency: {', '.join(names)}"

    def _add_image(self, name: str, form: Format, image: Image.Image) -> None:
        data = encode(image, form, self._about, quality=self._outputs.quality, detailed=self._marking.metadata)
        self._add(name, form, *image.size, data)

    def _add(self, name: str, form: Format, width: int, height: int, data: bytes) -> None:
        file_name = form.file_name(name)
        if self._marking.signer is not None:
            try:
                data = self._marking.signer.sign(data, form.media_type)
            except Exception:
                log.exception("output.unsigned", name=file_name)
                self._unsigned.append(file_name)
        self.made.files.append(File(file_name, form.name, form.media_type, width, height, data))

    def _attempt(self, output: str, loss: str, step: Callable[..., T], *arguments: object) -> T | None:
        """What `step` returns; None if it fails, and a warning that says `loss`."""
        start = time.thread_time()
        try:
            return step(*arguments)
        except ground.NotUniform as error:
            self._warn("background_not_uniform", f"{loss}: {error}")
        except Exception:
            log.exception("output.failed", output=output, loss=loss)
            self._warn(f"{output}_failed", loss)
        finally:
            spent = self.made.seconds
            spent[output] = spent.get(output, 0.0) + time.thread_time() - start
        return None

    def _warn(self, code: str, message: str) -> None:
        self.made.warnings.append(Shortfall(code, message))


def _resized(image: Image.Image, size: Canvas) -> Image.Image:
    asked = (size.width, size.height)
    return image if image.size == asked else image.resize(asked, Image.Resampling.LANCZOS)
