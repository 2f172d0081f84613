"""Text and JSON of any origin, and ids."""

import json
import math
import re

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from accounts.fields import ID_PATTERN, clean_json, clean_text, new_id
from memory.models import Block
from tests.agents import given

anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_ids_have_their_form():
    assert re.fullmatch(ID_PATTERN.format(prefix="run"), new_id("run"))


def test_what_postgres_refuses_is_replaced_and_nothing_else():
    kept = "a\ufeff\u202eé\U0001f600e\u0301\n\t\x01"
    assert clean_text(f"\x00{kept}\ud800\udfff") == f"�{kept}��"


def test_numbers_that_json_has_not_are_null():
    assert clean_json([math.nan, math.inf, -math.inf, 1.5]) == [None, None, None, 1.5]


@for_all(anything)
def test_clean_json_is_json_that_utf8_can_carry(value):
    json.dumps(clean_json(value), allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.django_db
def test_columns_store_it():
    made = Block.objects.create(
        organization=given.organization("a\x00"), label="human", value="\ud800", metadata={"\x00": ["\udfff", math.nan]}
    )
    block = Block.objects.get(id=made.id)
    assert (block.value, block.metadata, block.organization.name) == ("�", {"�": ["�", None]}, "a�")
