"""Form fields of the admin for the column types of accounts/fields.py: what is not edited comes back as it was."""

import json
from typing import Any

from django import forms


class Prose(forms.CharField):
    """Text that keeps its spaces. Browsers send line breaks as CRLF; they are stored as LF, as agents write them."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs | {"strip": False})

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value.replace("\r\n", "\n") if isinstance(value, str) else value


class JSON(forms.JSONField):
    """JSON, indented. Left empty it is the column's default; it must be of the same kind (object or list) as that."""

    def __init__(self, **kwargs: Any):
        widget = forms.Textarea(attrs={"rows": 5, "cols": 80})
        super().__init__(**kwargs | {"widget": widget, "show_hidden_initial": False})

    def clean(self, value: Any) -> Any:
        value, default = super().clean(value), self._default()
        if value is None:
            return default
        if not isinstance(value, type(default) if default is not None else dict):
            raise forms.ValidationError(f"Write a JSON {'list' if isinstance(default, list) else 'object'}.")
        return value

    def prepare_value(self, value: Any) -> Any:
        if value is None or isinstance(value, forms.fields.InvalidJSONInput):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)

    def _default(self) -> Any:
        # Django hands the default of a column over as `initial`.
        return self.initial() if callable(self.initial) else self.initial
