"""LiteLLM's proxy, started by its command with the config file of its documentation, and OpenAI's client in front."""

import base64
import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from openai import OpenAI

Path("config.yaml").write_text("""
model_list:
  - model_name: gpt-image-1
    litellm_params:
      model: openai/gpt-image-1
      api_base: os.environ/OPENAI_BASE_URL
      api_key: os.environ/OPENAI_API_KEY
    model_info:
      mode: image_generation
general_settings:
  master_key: sk-of-this-proxy-9d1f6b3a70c84e52
""")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [Path(sys.executable).with_name("litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port"]
with subprocess.Popen([*command, str(port)]) as proxy:
    try:
        url = f"http://127.0.0.1:{port}"
        while proxy.poll() is None:
            with contextlib.suppress(OSError), urlopen(f"{url}/health/liveliness", timeout=10):
                break
            time.sleep(0.2)
        client = OpenAI(api_key="sk-of-this-proxy-9d1f6b3a70c84e52", base_url=url)
        img = client.images.generate(prompt="A cute baby sea otter", model="gpt-image-1", n=1, size="1024x1024")
        Path("otter.png").write_bytes(base64.b64decode(img.data[0].b64_json))
    finally:
        proxy.terminate()
