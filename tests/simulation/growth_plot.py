"""The plot of `make growth`: how soon polls are answered, by how many phones poll, for each number of API processes."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 900, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 160, 40, 50
PHONES = (100, 100_000)
SECONDS = (0.001, 10)
COLOURS = ("#999999", "#66aadd", "#2266cc", "#113366", "#cc6622")


def _at(value, ends, pixels):
    low, high = map(math.log10, ends)
    return pixels * (min(max(math.log10(value), low), high) - low) / (high - low)


def x(phones):
    return LEFT + _at(phones, PHONES, WIDTH - LEFT - RIGHT)


def y(seconds):
    return HEIGHT - BOTTOM - _at(seconds, SECONDS, HEIGHT - TOP - BOTTOM)


def plot(curves, file):
    """`curves`: by name, (phones, median, 99 %) of each point; the median is thin, the 99 % thick."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    for phones in (100, 1000, 10_000, 100_000):
        draw.line([(x(phones), TOP), (x(phones), HEIGHT - BOTTOM)], fill="#dddddd")
        draw.text((x(phones), HEIGHT - BOTTOM + 6), f"{phones:,}", fill="#555555", anchor="ma")
    for seconds in (0.001, 0.01, 0.1, 1, 10):
        draw.line([(LEFT, y(seconds)), (WIDTH - RIGHT, y(seconds))], fill="#dddddd")
        draw.text((LEFT - 8, y(seconds)), f"{seconds * 1000:g} ms", fill="#555555", anchor="rm")
    for number, ((name, curve), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        for column, thick in ((1, 1), (2, 3)):
            draw.line([(x(point[0]), y(point[column])) for point in curve], fill=colour, width=thick)
        top = TOP + 20 * number
        draw.line([(WIDTH - RIGHT + 16, top), (WIDTH - RIGHT + 36, top)], fill=colour, width=3)
        draw.text((WIDTH - RIGHT + 44, top), name, fill=colour, anchor="lm")
    draw.text((LEFT, 10), "how soon a poll is answered: median (thin), 99 % (thick)", fill="black")
    draw.text((LEFT, HEIGHT - 20), "phones that poll once a second, one Redis, eight cards at work", fill="#555555")
    image.save(file, optimize=True)
