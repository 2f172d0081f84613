"""`compaction_settings`, as a client gives them."""

from typing import Any

from agents.errors import invalid
from agents.loop.compaction import MODES

Place = list[str | int]


def compaction_settings(given: Any, place: Place) -> dict[str, Any] | None:
    """The settings, checked but for the model's handle. Raises InvalidRequest."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise invalid(place, "Should be an object", "dict_type")
    if given.get("mode") not in (None, *MODES):
        raise invalid([*place, "mode"], f"Should be one of {', '.join(MODES)}", "enum")
    share = given.get("sliding_window_percentage")
    if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1):
        raise invalid([*place, "sliding_window_percentage"], "Should be above 0 and at most 1", "less_than_equal")
    clip = given.get("clip_chars")
    if clip is not None and (isinstance(clip, bool) or not isinstance(clip, int) or clip < 1):
        raise invalid([*place, "clip_chars"], "Should be a number of characters, 1 or more", "greater_than_equal")
    for name in ("model", "prompt"):
        if given.get(name) is not None and not isinstance(given[name], str):
            raise invalid([*place, name], "Should be a string", "string_type")
    if given.get("prompt_acknowledgement") not in (None, True, False):
        raise invalid([*place, "prompt_acknowledgement"], "Should be true or false", "bool_type")
    if given.get("model_settings") is not None and not isinstance(given["model_settings"], dict):
        raise invalid([*place, "model_settings"], "Should be an object", "dict_type")
    return given
