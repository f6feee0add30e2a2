"""The example of OpenAI's API reference of image variations, of an image that was generated before."""

import base64
import urllib.request

from openai import OpenAI

client = OpenAI()

drawn = client.images.generate(model="gpt-image-1", prompt="A corgi and a cat's paw")
with open("image.png", "wb") as f:  # noqa: PTH123 - as the reference has it
    f.write(base64.b64decode(drawn.data[0].b64_json))

with open("image.png", "rb") as image:  # noqa: PTH123
    response = client.images.create_variation(image=image, n=2, size="1024x1024")

for number, one in enumerate(response.data):
    urllib.request.urlretrieve(one.url, f"variation-{number}.png")
