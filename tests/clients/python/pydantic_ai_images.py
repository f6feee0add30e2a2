"""Pydantic AI's image generator, with its provider's defaults."""

from pathlib import Path

from pydantic_ai.images import ImageGenerator

generator = ImageGenerator("openai:gpt-image-2")
result = generator.generate_sync("A watercolor hummingbird visiting a trumpet flower.")
Path("hummingbird.png").write_bytes(result.image.data)
