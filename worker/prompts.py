"""The design guidance that is appended to a prompt, unless the request says `enhance=false`."""

DESIGN_GUIDANCE = (
    "professional logo, clean flat vector style, one centered icon, simple high-contrast palette, "
    "crisp edges, plain background, no text"
)


def enhance(prompt: str) -> str:
    return f"{prompt.rstrip(' .,;')}, {DESIGN_GUIDANCE}"
