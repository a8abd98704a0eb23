"""Numbers in YAML mean what people write."""

import pytest

from distill.yaml12 import load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-5", 2e-5),
        ("1E3", 1000.0),
        ("-1.5e+2", -150.0),
        ("1.e1", 10.0),
        ("0.1", 0.1),
        ("12", 12),
        ("0123456789012345678901234567890123456789", "0123456789012345678901234567890123456789"),
        ("12345678901234567890e12345678901234567890", "12345678901234567890e12345678901234567890"),
        ("'2e-5'", "2e-5"),
        ("e5", "e5"),
        ("true", True),
    ],
)
def test_a_scalar_is_read_as_written(text: str, value: object):
    found = load(text)
    assert found == value
    assert type(found) is type(value)
