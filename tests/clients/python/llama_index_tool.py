"""LlamaIndex's image tool, called as its agents call it: a URL, and a file that it saves itself."""

from pathlib import Path
from urllib.request import urlopen

from llama_index.tools.openai import OpenAIImageGenerationToolSpec

tool_spec = OpenAIImageGenerationToolSpec(cache_dir=".")
text = "A pink and blue llama in a black background"
with urlopen(tool_spec.image_generation(text=text)) as answer:
    Path("llama.png").write_bytes(answer.read())
(saved,) = tool_spec.image_generation(text=text, download=True)
assert Path(saved).suffix == ".png"
