"""The first example of OpenAI's API reference of image edits, from an image that was generated before."""

import base64

from openai import OpenAI

client = OpenAI()

drawn = client.images.generate(model="gpt-image-1", prompt="A gift basket")
with open("basket.png", "wb") as f:  # noqa: PTH123 - as the reference has it
    f.write(base64.b64decode(drawn.data[0].b64_json))

with open("basket.png", "rb") as image:  # noqa: PTH123
    result = client.images.edit(model="gpt-image-1", image=image, prompt="The basket, in blue")

with open("gift-basket.png", "wb") as f:  # noqa: PTH123
    f.write(base64.b64decode(result.data[0].b64_json))
