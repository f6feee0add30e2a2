"""The CPU model's drawings: contrast, held-out combinations, and one drawing for each seed."""

from random import Random

import numpy as np
import pytest

from worker.mini import colours, logos
from worker.mini.containers import CONTAINERS, ROOM
from worker.mini.symbols import LETTERS, NOUNS, PICTURES, SYMBOLS


def some_logos(count, seed=1):
    rng = Random(seed)
    return [logos.draw_logo(logos.draw_shape(rng), rng) for _ in range(count)]


def test_there_is_enough_to_draw():
    assert len(PICTURES) >= 40
    assert len(LETTERS) == 26
    assert set(ROOM) == set(CONTAINERS) == {"none", "circle", "ring", "rounded square", "hexagon", "shield"}
    assert len(colours.NAMES) >= 12


def test_every_noun_means_one_symbol():
    nouns = [noun for names in NOUNS.values() for noun in set(names)]
    assert len(nouns) == len(set(nouns))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_symbol_is_drawn_within_its_picture(symbol):
    container, body, detail = logos.layers(logos.place(symbol, "none", 2), 64)
    assert not container.any()
    assert 0.02 < (body >= 128).mean() < 0.6
    assert (detail <= body).all()
    assert not any(edge.any() for edge in (body[0], body[-1], body[:, 0], body[:, -1]))


@pytest.mark.parametrize("container", CONTAINERS[1:])
def test_symbols_stay_within_their_container(container):
    for symbol in SYMBOLS:
        around, body, _ = logos.layers(logos.place(symbol, container, 2), 64)
        if container == "ring":
            assert not ((body >= 128) & (around >= 128)).any(), symbol
        else:
            assert (around[body >= 128] >= 128).all(), symbol


def test_edges_are_anti_aliased():
    (_, body, _) = logos.layers(logos.place("star", "none", 1))
    assert ((body > 0) & (body < 255)).any()


def test_the_same_seed_draws_the_same_logos():
    assert some_logos(50) == some_logos(50)
    assert some_logos(50) != some_logos(50, seed=2)


def test_training_never_sees_a_held_out_combination_nor_colours_too_alike():
    for logo in some_logos(3000):
        assert not logos.held_out(logo.shape.symbol, logo.colour, logo.shape.container)
        assert colours.contrast(logo.colour, logo.ground) >= logos.SYMBOL_CONTRAST


def test_about_one_in_eight_combinations_is_held_out():
    shares = [logos.held_out(s, c, k) for s in SYMBOLS for c in colours.NAMES for k in CONTAINERS]
    assert 0.11 < np.mean(shares) < 0.14


def test_all_styles_occur_and_only_where_they_show():
    drawn = some_logos(2000)
    assert {logo.style for logo in drawn} == set(logos.STYLES)
    assert all(logos.has_detail(logo.shape.symbol) for logo in drawn if logo.style == "two-colour")
    assert all((logo.second is None) == (logo.style == "one-colour") for logo in drawn)


def test_a_named_colour_is_nearest_to_itself_and_apart_from_the_others():
    for name, rgb in colours.NAMED.items():
        assert colours.nearest(np.array(rgb)) == name
        assert min(colours.contrast(name, other) for other in colours.NAMES if other != name) > 0.05
