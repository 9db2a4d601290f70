"""``python -m visual_search``: the command."""

from visual_search.command import main

main()
