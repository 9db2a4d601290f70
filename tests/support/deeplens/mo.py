"""Stands in for the model optimizer of a DeepLens, as its developer guide describes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

calls: list[tuple[Any, ...]] = []
status = 0


def optimize(
    model_name: str,
    input_width: int,
    input_height: int,
    platform: str = "mx",
    aux_inputs: dict[str, Any] | None = None,
) -> tuple[int, str]:
    """Status, 0 for success, and the path of the optimised model."""
    given = aux_inputs or {}
    calls.append((model_name, input_width, input_height, platform, given))
    if not (0 < input_width <= 1024 and 0 < input_height <= 1024):
        return 1, ""
    folder = Path(given.get("--models-dir", "/opt/awscam/artifacts"))
    symbol = folder / f"{model_name}-symbol.json"
    parameters = folder / f"{model_name}-{int(given.get('--epoch', 0)):04d}.params"
    if not symbol.is_file() or not parameters.is_file():
        return 2, ""
    if status:
        return status, ""
    out = Path(given.get("--output-dir", "/opt/awscam/artifacts")) / f"{model_name}.xml"
    out.write_text(
        json.dumps(
            {
                "symbol": str(symbol),
                "parameters": str(parameters),
                "width": input_width,
                "height": input_height,
            }
        )
    )
    return 0, str(out)
