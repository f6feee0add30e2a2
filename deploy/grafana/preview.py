"""`python deploy/grafana/preview.py http://localhost:9090 out.html [MINUTES]`: sends each query of the
dashboard to a Prometheus and draws the answers, without Grafana. Ends with an error if Prometheus refuses a query.
"""

from __future__ import annotations

import html
import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx

COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#b83280", "#6b46c1", "#718096", "#b7791f", "#1a202c")
WIDTH, HEIGHT, LEFT = 400, 150, 50


def main() -> None:
    url, out = sys.argv[1], Path(sys.argv[2])
    minutes = int(sys.argv[3]) if len(sys.argv) > 3 else 15  # noqa: PLR2004 - the arguments
    dashboard = json.loads((Path(__file__).parent / "dashboards" / "logo.json").read_text())
    end = time.time()
    with httpx.Client(base_url=url) as prometheus:
        panels = [_panel(prometheus, panel, end - 60 * minutes, end) for panel in dashboard["panels"]]
    out.write_text(
        '<body style="font: 11px sans-serif; display: grid; grid-template-columns: repeat(3, 420px); gap: 14px">'
        + "".join(panels)
    )


def _panel(prometheus: httpx.Client, panel: dict[str, Any], start: float, end: float) -> str:
    series: list[tuple[str, list[tuple[float, float]]]] = []
    for target in panel["targets"]:
        query = target["expr"].replace("$__rate_interval", "1m")
        reply = prometheus.get("/api/v1/query_range", params={"query": query, "start": start, "end": end, "step": 10})
        if not reply.is_success:
            raise SystemExit(f"{panel['title']}: {query}: {reply.text}")
        for result in reply.json()["data"]["result"]:
            name = target["legendFormat"]
            for label, value in result["metric"].items():
                name = name.replace("{{" + label + "}}", value)
            values = [(float(at), float(value)) for at, value in result["values"] if value != "NaN"]
            series.append((name.split("{{")[0], values))
    top = max((value for _, values in series for _, value in values), default=0) or 1
    lines = "".join(
        f'<polyline fill="none" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="1.5" points="'
        + " ".join(
            f"{LEFT + (at - start) / (end - start) * (WIDTH - LEFT):.1f},{HEIGHT - 4 - value / top * (HEIGHT - 12):.1f}"
            for at, value in values
        )
        + '"/>'
        for number, (_, values) in enumerate(series)
    )
    legend = "".join(
        f'<span style="color: {COLOURS[number % len(COLOURS)]}">&#9632; {html.escape(name)}</span> '
        for number, (name, _) in enumerate(series)
    )
    return (
        f"<div><b>{html.escape(panel['title'])}</b> ({panel['fieldConfig']['defaults']['unit']})"
        f'<svg width="{WIDTH}" height="{HEIGHT}" style="display: block; border-bottom: 1px solid #aaa">'
        f'<text x="0" y="12">{top:.3g}</text><text x="0" y="{HEIGHT - 4}">0</text>{lines}</svg>'
        f"{legend or 'no data'}</div>"
    )


if __name__ == "__main__":
    main()
