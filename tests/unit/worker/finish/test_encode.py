import base64
import io

from PIL import Image

from shared.results.formats import PNG, Format
from worker.finish.encode import encode_images


def test_one_png_for_each_distinct_size():
    drawn = Image.new("RGB", (256, 256), "white")
    drawn.paste("red", (64, 64, 192, 192))
    images = encode_images(drawn.tobytes(), 256, 256, (512, 64, 512, 256))
    assert list(images) == ["64", "256", "512"]
    for name, encoded in images.items():
        size = int(name)
        image = Image.open(io.BytesIO(base64.b64decode(encoded)))
        assert (image.format, image.size, image.mode) == ("PNG", (size, size), "RGB")
        assert image.getpixel((size // 2, size // 2)) == (255, 0, 0)
        assert image.getpixel((0, 0)) == (255, 255, 255)
    assert Image.open(io.BytesIO(base64.b64decode(images["256"]))).tobytes() == drawn.tobytes()


def test_a_further_format_has_names_of_its_own():
    drawn = Image.new("RGB", (64, 64), "teal")
    webp = Format("webp", "image/webp", "WEBP", {"lossless": True})
    images = encode_images(drawn.tobytes(), 64, 64, (64,), (PNG, webp))
    assert set(images) == {"64", "64.webp"}
    decoded = Image.open(io.BytesIO(base64.b64decode(images["64.webp"])))
    assert (decoded.format, decoded.convert("RGB").tobytes()) == ("WEBP", drawn.tobytes())
