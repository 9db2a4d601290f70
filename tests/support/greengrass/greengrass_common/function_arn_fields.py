"""The parts of a function's name; publishing asks for none of them."""


class FunctionArnFields:
    """Imported by the SDK, and not used here."""
