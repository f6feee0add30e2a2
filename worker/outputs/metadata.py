"""What a file says of itself in plain text: that a model made it, and if wanted from what.

The XMP packet has IPTC's DigitalSourceType, which search engines and picture editors read, and if wanted the prompt and
the model in IPTC's fields for generated pictures; a PNG then has all of `About` as text chunks too.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from xml.sax.saxutils import escape

from PIL.PngImagePlugin import PngInfo

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PRODUCT = "Logo Generator"
NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
XMP_CHUNK = "XML:com.adobe.xmp"  # the keyword of a PNG's chunk, as XMP specifies it
# Characters that no XML document may have.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class About:
    """What the metadata say of a drawing."""

    prompt: str
    seed: int
    model: str
    steps: int
    guidance: float | None
    version: str  # of the service

    def texts(self) -> dict[str, str]:
        """What is known, by name."""
        known = {name: "" if value is None else str(value) for name, value in asdict(self).items()}
        return {name: NOT_XML.sub("", value) for name, value in known.items() if value}


def rdf(about: About, *, detailed: bool) -> str:
    """The RDF of an XMP packet, which is also what an SVG has."""
    texts = about.texts()
    lines = [f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"]
    lines.append(f"<xmp:CreatorTool>{escape(f'{PRODUCT} {about.version}')}</xmp:CreatorTool>")
    if detailed:
        prompt = escape(texts.get("prompt", ""))
        rest = escape(", ".join(f"{name} {texts[name]}" for name in ("seed", "steps", "guidance") if name in texts))
        text = f'<rdf:li xml:lang="x-default">{prompt} ({rest})</rdf:li>'
        lines += [
            f"<Iptc4xmpExt:AIPromptInformation>{prompt}</Iptc4xmpExt:AIPromptInformation>",
            f"<Iptc4xmpExt:AISystemUsed>{escape(texts.get('model', ''))}</Iptc4xmpExt:AISystemUsed>",
            f"<dc:description><rdf:Alt>{text}</rdf:Alt></dc:description>",
        ]
    spaces = " ".join(f'xmlns:{name}="{address}"' for name, address in NAMESPACES.items())
    body = "\n".join(lines)
    return f'<rdf:RDF {spaces}>\n<rdf:Description rdf:about="">\n{body}\n</rdf:Description>\n</rdf:RDF>'


def xmp(about: About, *, detailed: bool) -> bytes:
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n{rdf(about, detailed=detailed)}\n</x:xmpmeta>'
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{packet}\n<?xpacket end="r"?>'.encode()


def png_chunks(about: About, *, detailed: bool) -> PngInfo:
    chunks = PngInfo()
    if detailed:
        for name, text in about.texts().items():
            chunks.add_itxt(name, text)
    chunks.add_itxt(XMP_CHUNK, xmp(about, detailed=detailed).decode())
    return chunks
