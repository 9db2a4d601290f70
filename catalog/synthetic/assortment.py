"""The packaged goods of the demonstration shop, as lines of products by invented brands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variety:
    """A product of a line: its name, and the accent and icon of its label."""

    name: str
    accent: str
    icon: str


@dataclass(frozen=True)
class Line:
    """Products of one brand in the same package; neighbours in `varieties` are twins."""

    brand: str
    product: str
    kind: str
    shape: str
    price: float  # euros
    amount: str
    layout: str
    face: str
    ground: str
    ink: str
    varieties: tuple[Variety, ...]
    colours: tuple[str, ...] = ()
    measures: tuple[float, ...] = ()


V = Variety
WINE = (0.15, 0.56, 0.5, 0.16, 0.055)  # radius, shoulder, label top, label foot, neck
SAUCE = (0.19, 0.6, 0.56, 0.14, 0.075)
JUICE = (0.2, 0.68, 0.62, 0.14, 0.1)
STUBBY = (0.21, 0.58, 0.54, 0.1, 0.07)

LINES: tuple[Line, ...] = (
    # drinks
    Line("FIZZLO", "soda", "drink", "can", 0.99, "330 ml", "arch", "round", "#ffd166", "#7a1f00",
         (V("Mango", "#e8590c", "mango"), V("Berry", "#7b2cbf", "berry"))),
    Line("FIZZLO", "soda zero", "drink", "can", 0.99, "330 ml", "arch", "round", "#20242b",
         "#ffffff", (V("Cola Zero", "#e03131", "star"), V("Lime Zero", "#74b816", "citrus"))),
    Line("Volt 9", "energy drink", "drink", "can", 1.49, "250 ml", "swell", "slanted", "#c3cad3",
         "#10151c", (V("Original", "#0b57d0", "bolt"), V("Tropical", "#f76707", "sun")),
         measures=(0.21,)),
    Line("Brunn", "sparkling water", "drink", "can", 0.79, "330 ml", "halves", "sans", "#eaf6ff",
         "#0b4f8a", (V("Lemon", "#e0b100", "citrus"), V("Mint", "#2b9348", "leaf"))),
    Line("Fjellbryg", "alcohol-free beer", "drink", "bottle", 1.59, "330 ml", "frame", "serif",
         "#f6ead0", "#3b2a14",
         (V("Pilsner", "#1f6f43", "wheat"), V("Amber", "#b5421c", "mountain")),
         ("#5a3214", "#c9a227"), STUBBY),
    Line("Olivanta", "olive oil", "oil", "bottle", 7.99, "0.5 l", "frame", "serif", "#f4ead2",
         "#2e3b12", (V("Extra Virgin", "#4b6b1f", "olive"), V("Chilli", "#c1121f", "chilli")),
         ("#32562f", "#222222"), WINE),
    Line("Sol y Rio", "orange juice", "drink", "bottle", 2.79, "1 l", "arch", "round", "#fffaf0",
         "#9c4a00", (V("Orange", "#f77f00", "citrus"), V("Blood Orange", "#c1121f", "sun")),
         ("#f59a23", "#2b9348"), JUICE),
    Line("Pomelli", "apple juice", "drink", "bottle", 2.49, "1 l", "badge", "hand", "#fbf7e6",
         "#31511e", (V("Clear Apple", "#5a9216", "apple"), V("Apple Cherry", "#b0143c", "cherry")),
         ("#d9a441", "#ffffff"), JUICE),
    Line("Kolibrio", "iced tea", "drink", "carton", 1.29, "0.5 l", "rays", "round", "#ffe3c7",
         "#7a2e0b", (V("Peach", "#f4743b", "flower"), V("Green Tea", "#2f9e44", "leaf")),
         measures=(0.4, 1.0, 0.26)),
    Line("Meadow", "milk", "dairy", "milk", 1.19, "1 l", "band", "round", "#f7fbff", "#123d75",
         (V("Whole", "#1d65b8", "cow"), V("Low Fat", "#2f9e44", "cow")), ("#d62839",)),
    Line("Havrely", "oat drink", "dairy", "milk", 1.89, "1 l", "halves", "hand", "#f1e4cb",
         "#4a3418", (V("Natural", "#b08948", "wheat"), V("Barista", "#40312a", "cup")),
         ("#ffffff",)),
    # breakfast
    Line("Crunchy Bay", "cereal", "breakfast", "carton", 3.49, "500 g", "rays", "round", "#ffd447",
         "#6b2b00", (V("Honey", "#a2480c", "bee"), V("Cocoa", "#5c2d16", "bean")),
         measures=(0.68, 1.0, 0.2)),
    Line("Morgen", "muesli", "breakfast", "carton", 3.99, "600 g", "arch", "serif", "#f6efe2",
         "#4d3b26", (V("Nuts", "#8a5a2b", "nut"), V("Red Fruit", "#c2255c", "berry")),
         measures=(0.62, 1.0, 0.24)),
    Line("Plumbridge", "jam", "breakfast", "jar", 2.69, "340 g", "badge", "hand", "#fff8ee",
         "#4a0a1a", (V("Cherry", "#9d0b2b", "cherry"), V("Plum", "#53237a", "leaf")),
         ("#5e1226", "#e9dcc3")),
    Line("Honigtal", "honey", "breakfast", "jar", 4.99, "500 g", "frame", "book", "#fff3cf",
         "#5b3500", (V("Blossom", "#e07a00", "flower"), V("Forest", "#3d5a2a", "mountain")),
         ("#c97a10", "#d4a017"), (0.36, 0.86)),
    Line("Noccio", "chocolate spread", "breakfast", "jar", 3.79, "400 g", "swell", "round",
         "#fff7ef", "#4a2611", (V("Hazelnut", "#9c5221", "nut"), V("Dark", "#22c1c3", "moon")),
         ("#3d2013", "#f5f5f5"), (0.38, 0.88)),
    Line("Kavero", "coffee", "coffee", "pouch", 6.49, "250 g", "frame", "serif", "#2b1d16",
         "#f5e6c8", (V("Espresso", "#d08b3e", "bean"), V("Decaf", "#5fb3a1", "cup"))),
    Line("Monte Alba", "coffee", "coffee", "tin", 8.99, "250 g", "halves", "book", "#b71c1c",
         "#ffe9c9", (V("Classico", "#1b1b1b", "cup"), V("Crema", "#c99a3a", "mountain")),
         measures=(0.4, 0.95)),
    Line("Tea Lane", "tea", "coffee", "carton", 2.99, "20 bags", "pattern", "book", "#fdf6e7",
         "#333333", (V("Earl Grey", "#3b5b92", "flower"), V("Chamomile", "#d99a00", "sun"),
                     V("Peppermint", "#2f8f5b", "leaf"), V("Rooibos", "#b3411e", "cup")),
         measures=(0.9, 0.62, 0.44)),
    # larder
    Line("Casa Nona", "tomatoes", "larder", "tin", 1.29, "400 g", "band", "book", "#fff3d6",
         "#5a1a0a", (V("Chopped", "#c1121f", "tomato"), V("With Basil", "#2b7a3a", "sprig"))),
    Line("Legumio", "beans", "larder", "tin", 0.99, "400 g", "halves", "sans", "#26547c", "#ffffff",
         (V("Kidney", "#9b2226", "bean"), V("Chickpea", "#e9b44c", "circle"))),
    Line("Marisqo", "fish", "larder", "tin", 2.19, "160 g", "swell", "slanted", "#ffd60a",
         "#003566", (V("Tuna", "#0057b8", "fish"), V("Salmon", "#ff6f61", "fish")),
         measures=(0.5, 0.46)),
    Line("Maiskamp", "sweetcorn", "larder", "tin", 1.09, "300 g", "rays", "round", "#2d8a34",
         "#fff3b0", (V("Sweetcorn", "#f2b705", "sun"), V("Peas", "#7ac142", "circle")),
         measures=(0.4, 0.82)),
    Line("Farfallo", "pasta", "larder", "carton", 1.49, "500 g", "halves", "book", "#1d3f8f",
         "#ffffff", (V("Penne", "#d62828", "wheat"), V("Fusilli", "#f4a300", "wave")),
         measures=(0.52, 1.0, 0.2)),
    Line("Suvarna", "rice", "larder", "pouch", 2.39, "1 kg", "badge", "serif", "#f4e8c8",
         "#5b3a00", (V("Basmati", "#0f7b6c", "leaf"), V("Jasmine", "#c2185b", "flower")),
         measures=(0.66, 1.0, 0.34)),
    Line("Mahlwerk", "flour", "larder", "carton", 1.19, "1 kg", "arch", "sans", "#ffffff",
         "#2f3e46", (V("Wheat", "#d08c2a", "wheat"), V("Rye", "#6b4f3a", "wheat")),
         measures=(0.6, 0.95, 0.38)),
    Line("Pesto Mio", "pesto", "larder", "jar", 2.99, "190 g", "band", "book", "#fdfbf2", "#24421c",
         (V("Basil", "#3a7d2c", "sprig"), V("Rosso", "#c8321b", "tomato")),
         ("#7a6a25", "#202020"), (0.31, 0.92)),
    Line("Gurki", "pickles", "larder", "jar", 2.29, "670 g", "halves", "round", "#fff9db",
         "#2b5016", (V("Gherkins", "#4c9a2a", "leaf"), V("Onions", "#8e4585", "circle")),
         ("#9ab04b", "#e8b23a"), (0.36, 1.0)),
    Line("Tomaro", "ketchup", "sauce", "bottle", 2.19, "450 ml", "badge", "round", "#fff4e6",
         "#8a0f0f", (V("Classic", "#d00000", "tomato"), V("Hot", "#f48c06", "chilli")),
         ("#b3160f", "#ffffff"), SAUCE),
    Line("Senfla", "mustard", "sauce", "bottle", 1.79, "300 ml", "swell", "sans", "#fffbe6",
         "#4a3a00", (V("Mild", "#2a9d8f", "flower"), V("Extra Hot", "#9d0208", "bolt")),
         ("#d8a90e", "#1f4e9c"), SAUCE),
    Line("Kumo", "soy sauce", "sauce", "bottle", 2.99, "150 ml", "rays", "sans", "#f5f0e6",
         "#1d1d1d", (V("Dark", "#9a031e", "wave"), V("Light", "#3a86a8", "moon")),
         ("#23130d", "#c1121f"), WINE),
    # snacks and sweets
    Line("Krispello", "crisps", "snack", "pouch", 1.99, "175 g", "swell", "slanted", "#ffe14d",
         "#a00000", (V("Paprika", "#d62828", "chilli"), V("Sour Cream", "#2a9d4a", "sprig")),
         measures=(0.74, 1.0, 0.36)),
    Line("Nutter & Co", "nuts", "snack", "pouch", 2.49, "150 g", "arch", "round", "#0d3b66",
         "#faf0ca", (V("Almonds", "#ee964b", "nut"), V("Cashews", "#2ec4b6", "moon")),
         measures=(0.64, 0.9, 0.24)),
    Line("Dorrit", "biscuits", "snack", "carton", 1.89, "200 g", "band", "book", "#f9e7d0",
         "#5b2a12", (V("Butter", "#e0a100", "biscuit"), V("Chocolate", "#5b2a12", "biscuit")),
         measures=(1.0, 0.42, 0.22)),
    Line("Ravalo", "chocolate", "snack", "carton", 1.59, "100 g", "frame", "serif", "#6a1b3f",
         "#ffe8c2", (V("Milk", "#e5b25d", "cow"), V("Mint", "#6fcf97", "leaf")),
         measures=(0.5, 1.0, 0.07)),
    Line("Gommo", "sweets", "snack", "pouch", 1.29, "200 g", "pattern", "round", "#fff0f6",
         "#d6336c", (V("Bears", "#d6336c", "paw"), V("Stars", "#1c7ed6", "star")),
         measures=(0.7, 0.95, 0.26)),
    Line("Glacio", "ice cream", "frozen", "tub", 3.99, "500 ml", "halves", "sans", "#e9f5ff",
         "#12395f", (V("Vanilla", "#e0b23c", "flower"), V("Strawberry", "#e64980", "heart")),
         ("#2f80d1",)),
    Line("Jogi", "yoghurt", "dairy", "tub", 0.89, "150 g", "arch", "round", "#ffffff", "#364fc7",
         (V("Blueberry", "#4c3fb1", "berry"), V("Apricot", "#f08c00", "mango")),
         ("#d8dade",), (0.36, 0.8, 0.8)),
    Line("Polarin", "frozen food", "frozen", "carton", 3.29, "450 g", "swell", "slanted", "#cfeaff",
         "#083d77", (V("Fish Fingers", "#f26a1b", "fish"), V("Spinach", "#23784a", "leaf")),
         measures=(1.0, 0.66, 0.2)),
    # household and care
    Line("Mentivo", "toothpaste", "care", "tube", 1.99, "75 ml", "swell", "slanted", "#f1fffb",
         "#075e55", (V("Fresh", "#109e8e", "leaf"), V("White", "#2563eb", "star")), ("#ffffff",)),
    Line("Velano", "hand cream", "care", "tube", 2.49, "100 ml", "badge", "book", "#ffe9ef",
         "#7d1d3f", (V("Rose", "#d6336c", "flower"), V("Aloe", "#37946e", "leaf")),
         ("#f3c4d1",), (0.2,)),
    Line("Silviva", "shampoo", "care", "flask", 3.49, "250 ml", "arch", "book", "#f6f0fb",
         "#3c1a5e", (V("Lavender", "#7b3fb0", "flower"), V("Citrus", "#e8a200", "citrus")),
         ("#b9a3d6", "#ffffff")),
    Line("Fjordan", "shower gel", "care", "flask", 2.29, "300 ml", "halves", "sans", "#dff3ff",
         "#0a3d62", (V("Ocean", "#0077b6", "wave"), V("Pine", "#1b5e20", "mountain")),
         ("#1f5f8b", "#dfe6ea"), (0.21, 0.15)),
    Line("Blinko", "cleaner", "household", "flask", 1.99, "750 ml", "rays", "slanted", "#fffde0",
         "#b5121b", (V("Lemon", "#f2c200", "citrus"), V("Power", "#e03131", "bolt")),
         ("#e8432e", "#ffffff"), (0.2, 0.13)),
    Line("Wolki", "washing powder", "household", "carton", 5.99, "1.3 kg", "badge", "round",
         "#0a7cc4", "#ffffff", (V("Colour", "#e6308a", "flower"), V("White", "#12b5a6", "snow")),
         measures=(0.82, 0.9, 0.34)),
    Line("Medira", "plasters", "care", "carton", 2.59, "20 pieces", "band", "sans", "#ffffff",
         "#1f2d3d", (V("Classic", "#d6272e", "cross"), V("Kids", "#ff922b", "paw")),
         measures=(0.9, 0.6, 0.22)),
    Line("Lumovolt", "batteries", "household", "carton", 3.99, "8 pieces", "swell", "slanted",
         "#1b1b1b", "#ffc300", (V("AA", "#ffc300", "bolt"), V("AAA", "#35b0e6", "bolt")),
         measures=(0.6, 0.72, 0.16)),
)  # fmt: skip
