"""How tests fill in a page of the admin: with what it shows, as a browser would."""

from typing import Any

from django.test import Client


def shown_values(client: Client, url: str) -> dict[str, Any]:
    """The values of every form on the page, ready to be posted back."""
    page = client.get(url)
    assert page.status_code == 200, page
    forms = [page.context["adminform"].form]
    for inline in page.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    return {bound.html_name: _value(bound) for form in forms for bound in form if _value(bound) is not None}


def _value(bound: Any) -> Any:
    value = bound.value()
    if value is False or value is None:
        return None
    if "SplitDateTime" in type(bound.field.widget).__name__:
        return None
    # A browser sends line breaks as CRLF.
    return value.replace("\n", "\r\n") if isinstance(value, str) else value


def errors_of(response: Any) -> str:
    """What the page says is wrong with what was posted; empty when it was accepted."""
    return "" if response.status_code == 302 else str(response.context["errors"])
