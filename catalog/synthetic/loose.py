"""The goods of the demonstration shop that have no package: produce and tools."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Good:
    """A thing without a label; `colours` and `measures` are those of its shape's builder."""

    title: str
    kind: str
    shape: str
    price: float  # euros
    amount: str
    colours: tuple[str, ...]
    measures: tuple[float, ...] = ()


GOODS: tuple[Good, ...] = (
    Good("Red apples", "produce", "apple", 2.99, "1 kg", ("#b3121d", "#e8702a", "#5b3a1e")),
    Good("Green apples", "produce", "apple", 3.19, "1 kg", ("#7fb335", "#b7d45a", "#5b3a1e")),
    Good("Pears", "produce", "pear", 3.49, "1 kg", ("#c3c04a", "#9a8f3a", "#4f3518")),
    Good("Bananas", "produce", "banana", 1.79, "1 kg", ("#f5cf2f", "#e9b92a", "#5f4a1c")),
    Good("Lemons", "produce", "citrus", 2.49, "500 g", ("#f7d92e", "#efc81f", "#6d7a2c"),
         (0.5, 0.16)),
    Good("Limes", "produce", "citrus", 2.79, "4 pieces", ("#4f8f2a", "#79ad3c", "#46641f"),
         (0.46, 0.08)),
    Good("Oranges", "produce", "citrus", 2.59, "1 kg", ("#f28c1c", "#ee7d12", "#55702c"),
         (0.46, 0.0)),
    Good("Tomatoes", "produce", "tomato", 2.99, "500 g", ("#d3261c", "#e2472a", "#3f7f2e")),
    Good("Aubergine", "produce", "aubergine", 1.49, "1 piece", ("#2f1238", "#45204f", "#5c7f3a")),
    Good("Carrots", "produce", "carrot", 1.29, "1 kg", ("#ee7a1e", "#e0661a", "#3e8a34")),
    Good("Cucumber", "produce", "cucumber", 0.89, "1 piece", ("#2c5f2a", "#4f8a3d", "#2c5f2a")),
    Good("Potatoes", "produce", "potato", 2.39, "2 kg", ("#c69a5c", "#a97d45", "#7d5a2e")),
    Good("Red onions", "produce", "onion", 1.59, "1 kg", ("#7c1d4a", "#a2456e", "#c9a06a")),
    Good("Onions", "produce", "onion", 1.19, "1 kg", ("#c9822f", "#dba655", "#c9a06a")),
    Good("Red pepper", "produce", "pepper", 0.99, "1 piece", ("#c8141b", "#d92a1c", "#4a8034")),
    Good("Yellow pepper", "produce", "pepper", 0.99, "1 piece", ("#f4bd1a", "#f0a818", "#4a8034")),
    Good("Avocado", "produce", "avocado", 1.29, "1 piece", ("#33491f", "#24361a", "#7a4a22")),
    Good("Broccoli", "produce", "broccoli", 1.69, "500 g", ("#2f6b2c", "#437f35", "#9dbb6c")),
    Good("Strawberries", "produce", "strawberry", 3.29, "500 g", ("#d4152a", "#f0a08a", "#3f8f35")),
    Good("Pumpkin", "produce", "pumpkin", 3.99, "1 piece", ("#e8751a", "#d9620f", "#6b7a35")),
    Good("Mushrooms", "produce", "mushroom", 2.19, "250 g", ("#c9a67c", "#b58e62", "#efe6d6")),
    Good("Claw hammer", "tool", "hammer", 14.90, "450 g", ("#c98f4e", "#1f2a36", "#9aa0a6")),
    Good("Spanner", "tool", "spanner", 6.50, "13 mm", ("#b9bec4",)),
    Good("Screwdriver", "tool", "screwdriver", 4.90, "6 mm", ("#d3261c", "#1b1b1b", "#b4b9be")),
    Good("Pliers", "tool", "pliers", 11.90, "180 mm", ("#1663b7", "#1b1b1b", "#8f959b")),
    Good("Hand saw", "tool", "saw", 17.50, "450 mm", ("#b06a32", "#1b1b1b", "#c3c8cd")),
    Good("Paint brush", "tool", "brush", 3.90, "50 mm", ("#d9a35c", "#c2a24b", "#3a2c22")),
    Good("Paint roller", "tool", "roller", 7.90, "250 mm", ("#e2641c", "#f4f1e6", "#a8adb2")),
    Good("Tape measure", "tool", "tape", 8.90, "5 m", ("#f2c200", "#1f1f1f", "#b4b9be")),
    Good("Torch", "tool", "torch", 12.90, "300 lm", ("#25292e", "#5a6068", "#f7f3cf")),
    Good("Scissors", "tool", "scissors", 5.90, "210 mm", ("#e0571b", "#1b1b1b", "#c0c5ca")),
    Good("Light bulb", "tool", "bulb", 3.50, "8 W", ("#f8f4e4", "#e4e4e2", "#b4b9be")),
    Good("Padlock", "tool", "padlock", 9.90, "50 mm", ("#c79a2e", "#7d1f1f", "#b9bec4")),
    Good("Spirit level", "tool", "level", 13.50, "400 mm", ("#e5c419", "#2a2e33", "#9fd356")),
    Good("Trowel", "tool", "trowel", 6.90, "200 mm", ("#a8672e", "#1b1b1b", "#a3a9af")),
    Good("Utility knife", "tool", "knife", 4.50, "18 mm", ("#35a046", "#e8b923", "#c6cbd0")),
    Good("Sticky tape", "tool", "reel", 2.90, "50 m", ("#b98a4a", "#e4d3b5", "#ffffff")),
    Good("Wooden spoon", "tool", "spoon", 2.50, "300 mm", ("#d8ab6d", "#b5854b")),
    Good("Hand brush", "tool", "sweeper", 4.20, "280 mm", ("#b3203a", "#1b1b1b", "#4a4038")),
)  # fmt: skip
