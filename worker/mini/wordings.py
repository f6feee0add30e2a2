# ruff: noqa: E501 - lists of words
"""The words that captions are made of, besides the names of symbols, containers and colours."""

from __future__ import annotations

OPENINGS = (
    "a logo of", "logo of", "logo:", "a logo with", "logo showing", "minimalist logo with", "minimal logo of", "a simple logo,",
    "icon of", "an icon of", "app icon:", "an app icon with", "emblem showing", "emblem of", "a badge with", "draw", "draw me",
    "design a logo with", "please make", "please draw", "create a logo of", "make a logo with", "make me", "i want",
    "i would like", "we need a logo with", "can you draw", "generate", "a picture of", "symbol of", "brand mark:", "modern logo,",
    "flat icon of", "vector logo of", "a clean logo of", "could you design", "show", "give me", "there is", "it should be",
)  # fmt: skip
ADJECTIVES = (
    "simple", "minimal", "minimalist", "geometric", "modern", "bold", "flat", "stylised", "stylized", "elegant", "clean",
    "abstract", "friendly", "cute", "sleek", "solid", "nice", "beautiful", "strong", "single", "plain", "classic", "proud",
)  # fmt: skip
CLOSINGS = (
    "geometric", "minimal", "minimalist", "minimal style", "flat design", "flat style", "vector", "vector art", "simple", "modern",
    "clean lines", "bold shapes", "professional", "centered", "simple shapes", "logo", "icon", "logo design", "high quality",
    "no text", "for an app", "for my company", "for our team", "for the website", "please", "thank you", "very simple", "elegant",
)  # fmt: skip
FOR_WHOM = (
    "coffee shop", "bakery", "bank", "gym", "school", "law firm", "startup", "hotel", "restaurant", "studio", "company", "brand",
    "shop", "store", "club", "team", "band", "clinic", "farm", "brewery", "museum", "festival", "travel agency", "tech company",
    "software company", "energy company", "delivery service", "game", "podcast", "magazine", "charity", "bike shop", "spa",
    "yoga studio", "design agency", "security company", "garden center", "publisher", "consultancy", "sports club", "winery",
)  # fmt: skip
# Things that no symbol shows: a prompt about them gets some plain logo, in the colours and the container it asks for.
UNKNOWN = (
    "dragon", "guitar", "robot", "horse", "lion", "elephant", "bridge", "castle", "bicycle", "train", "pizza", "burger",
    "banana", "pineapple", "unicorn", "dinosaur", "penguin", "monkey", "wolf", "tiger", "snake", "spider", "turtle", "frog", "dog",
    "dolphin", "shark", "octopus", "crab", "bee", "ant", "rose", "lotus", "palm", "bamboo", "grape", "lemon", "carrot", "cake",
    "bread", "wine glass", "bottle", "fork", "knife", "spoon", "chair", "table", "bed", "window", "door", "tower", "city", "skyline",
    "road", "river", "island", "volcano", "planet", "globe", "satellite", "telescope", "microscope", "atom", "molecule", "brain",
    "hand", "foot", "face", "woman", "man", "child", "person", "runner", "swimmer", "football", "basketball", "tennis racket",
    "chess piece", "dice", "puzzle piece", "map", "compass", "clock", "watch", "phone", "laptop", "computer", "keyboard", "mouse",
    "printer", "truck", "bus", "motorcycle", "helicopter", "tractor", "sword", "axe", "bow", "pencil", "pen", "brush", "scissors",
    "ruler", "box", "gift", "balloon", "candle", "ghost", "skull", "pumpkin", "feather", "wing", "spiral", "infinity sign",
    "handshake", "scale", "microphone", "headphones", "drum", "violin", "something", "anything", "hello world", "surprise me",
)  # fmt: skip
ON_PAGE = (
    "on a {} background",
    "on a {} background",
    "on {}",
    "against a {} background",
    "over a {} background",
    "with a {} background",
)
IN_CONTAINER = (
    "{symbol} in {container}", "{symbol} in {container}", "{symbol} inside {container}", "{symbol} on {container}",
    "{symbol} within {container}", "{symbol} centered in {container}", "{symbol} with {container} behind it",
    "{symbol} placed in {container}", "{symbol} enclosed in {container}", "{symbol}, {container}", "{container} with {symbol}",
    "{container} containing {symbol}", "{container} with {symbol} in it", "{container} with {symbol} inside", "{container}, {symbol}",
    "{container} around {symbol}", "{container} and in it {symbol}", "{symbol} sits in {container}",
)  # fmt: skip
IN_RING = (
    "{symbol} surrounded by {container}",
    "{symbol} with {container} around it",
    "{symbol} framed by {container}",
)
TWO_COLOUR = ("{} and {} {noun}", "{} {noun} with {} details", "{} {noun} with {} accents", "{noun} in {} and {}")
GRADIENT = (
    "{} to {} gradient {noun}",
    "{noun} with a {} to {} gradient",
    "{} {noun} fading to {}",
    "gradient {noun} from {} to {}",
)
ONE_COLOUR = ("{} {noun}",) * 7 + ("{noun} in {}", "{noun}, {}", "{} coloured {noun}", "{} colored {noun}")
SIZE_WORDS = {0: ("small", "little", "tiny"), 2: ("big", "large", "huge")}
SYLLABLES = tuple(
    a + b
    for a in [
        "b",
        "c",
        "d",
        "f",
        "g",
        "h",
        "k",
        "l",
        "m",
        "n",
        "p",
        "r",
        "s",
        "t",
        "v",
        "w",
        "z",
        "br",
        "cl",
        "dr",
        "fl",
        "gr",
        "pl",
        "st",
        "tr",
    ]
    for b in "aeiou"
)
SYLLABLE_ENDS = ("", "", "n", "r", "x", "ly", "ify", "sy", "co", "tech", "io")
EXTRA = (
    "a an the one of for and with in on to from by at is it my our your me please called named white background centered "
    "logo icon symbol sign emblem badge mark design draw color colour shape style circle round square letter initial capital"
)
