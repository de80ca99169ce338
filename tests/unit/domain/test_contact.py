"""Contact points: one person, one value, however it is written; and never shown."""

from __future__ import annotations

from collections.abc import Callable

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from noli.domain import contact
from noli.domain.channel import Kind
from noli.domain.contact import Contact, Unreadable, normalise
from noli.domain.token import SIZE, Pepper, token, tokens

PEPPER = Pepper(1, b"s" * 32)


def wide(text: str) -> str:
    """As East Asian keyboards write it."""
    return "".join(chr(0xFEE0 + ord(sign)) if sign != " " else "\u3000" for sign in text)


@pytest.mark.parametrize(
    "written,value",
    [
        ("+39 333 1234567", "+393331234567"),
        ("3331234567", "+393331234567"),
        ("0039 333-123.4567", "+393331234567"),
        ("(+39) 333/1234567", "+393331234567"),
        ("06 1234 5678", "+390612345678"),
        ("+39 02 12345678", "+390212345678"),
        ("+44 7911 123456", "+447911123456"),
        ("0044 7911 123456", "+447911123456"),
        ("393 1234567", "+393931234567"),
        ("800 123 456", "+39800123456"),
        ("+39 (0)6 12345678", "+390612345678"),
        ("+39 (0)30 1234567", "+390301234567"),
        ("00393331234567", "+393331234567"),
        ("tel:+39-333-123-4567;ext=5", "+393331234567"),
        ("Tel. 333 1234567", "+393331234567"),
        ("333 1234567 int. 5", "+393331234567"),
        ("06 1234567 interno 12", "+39061234567"),
        ("3331234567x5", "+393331234567"),
        (wide("+39 333/1234567"), "+393331234567"),
        ("'3331234567", "+393331234567"),
        ('="3331234567"', "+393331234567"),
        ("\u200b333\u00a01234567", "+393331234567"),
        ("393331234567", "+393331234567"),
        ("333123456", "+39333123456"),
        ("06/12345678", "+390612345678"),
        ("333-123-45-67", "+393331234567"),
        ("333.123.456.0", "+393331234560"),
        ("3331234567.0", "+393331234567"),
        ("393331234567,00", "+393331234567"),
        ("3.331234567E+09", "+393331234567"),
        ("3,93331234567e11", "+393331234567"),
        ("+39 (0)338 1234567", "+393381234567"),
        ("333-123-456-7", "+393331234567"),
    ],
)
def test_numbers_become_e164(written: str, value: str) -> None:
    """A national number is Italian, and a landline keeps its leading zero."""
    assert normalise("phone", written) == Contact(Kind.PHONE, value)


@pytest.mark.parametrize(
    "written,value",
    [
        ("Anna@Example.IT", "anna@example.it"),
        (" mario.rossi+news@example.com ", "mario.rossi+news@example.com"),
        ("info@società.it", "info@xn--societ-nta.it"),
        ("INFO@XN--SOCIET-NTA.it", "info@xn--societ-nta.it"),
        ("anna@example.test", "anna@example.test"),
    ],
)
def test_addresses_are_lower_case_with_an_idna_domain(written: str, value: str) -> None:
    """Whole, local part included."""
    assert normalise("email", written).value == value


def test_postal_addresses_ignore_case_and_spacing() -> None:
    """The same address typed twice is one contact."""
    one = normalise("postal", "Via  Roma 1,\n00100 ROMA")
    assert one == normalise("postal", "via roma 1, 00100 Roma")


@pytest.mark.parametrize(
    "kind,written,field",
    [
        ("phone", "12", "contact.value"),
        ("phone", "", "contact.value"),
        ("phone", None, "contact.value"),
        ("phone", 3331234567, "contact.value"),
        ("phone", "3" * 5000, "contact.value"),
        ("phone", "+39 333 12345678901", "contact.value"),
        ("phone", "331234567.0", "contact.value"),
        ("phone", "3.931234567E+11", "contact.value"),
        ("phone", "3,33123E+09", "contact.value"),
        ("phone", "6.12345678E+08", "contact.value"),
        ("phone", "612345678.0", "contact.value"),
        ("phone", "3331234567E0", "contact.value"),
        ("phone", "+39 333 O123456", "contact.value"),
        ("phone", "1-800-FLOWERS", "contact.value"),
        ("phone", "333ABCDEFG", "contact.value"),
        ("phone", "06 1234567/8", "contact.value"),
        ("phone", "06 1234567-8 ", "contact.value"),
        ("phone", "06 12 34 567/8", "contact.value"),
        ("phone", "06-1234567-8", "contact.value"),
        ("phone", "02 1234567/68", "contact.value"),
        ("phone", wide("02 1234567/8"), "contact.value"),
        ("phone", "02 1234567\u20138", "contact.value"),
        ("phone", "333 1234567 / 333 7654321", "contact.value"),
        ("phone", "347 1234567 o 348 7654321", "contact.value"),
        ("phone", "+39 (0)331 2345678", "contact.value"),
        ("phone", "+39 6 12345678", "contact.value"),
        ("phone", "2 12345678", "contact.value"),
        ("phone", "+39 81 1234567", "contact.value"),
        ("phone", "333 12345", "contact.value"),
        ("phone", "33312345678", "contact.value"),
        ("email", wide("MARIO") + "@example.it", "contact.value"),
        ("email", "anna@example.it; bob@example.it", "contact.value"),
        ("email", "anna", "contact.value"),
        ("email", "anna@", "contact.value"),
        ("email", "a@localhost", "contact.value"),
        ("postal", "x" * 501, "contact.value"),
        ("pigeon", "x", "contact.kind"),
    ],
)
def test_what_is_no_contact_is_unreadable(kind: str, written: object, field: str) -> None:
    """By field and remedy, without the value."""
    with pytest.raises(Unreadable) as caught:
        normalise(kind, written)
    assert caught.value.field == field
    assert not written or str(written) not in str(caught.value)


@st.composite
def written_numbers(draw: st.DrawFn) -> str:
    """Numbers as people write them, right and wrong."""
    prefix = draw(st.sampled_from(["", "+39", "0039", "+39 ", "39", "+ 39", "(+39)", "00 39 "]))
    start = draw(st.sampled_from(["3", "33", "39", "391", "0", "06", "02", "00", "01", "8", "1"]))
    digits = start + draw(st.text("0123456789", min_size=4, max_size=11))
    gaps = draw(st.lists(st.sampled_from(["", "", "", " ", "-", ".", "/"]), min_size=len(digits),
                         max_size=len(digits)))  # fmt: skip
    return prefix + "".join(digit + gap for digit, gap in zip(digits, gaps, strict=True))


def told(read: Callable[[], str]) -> str | None:
    """What is read; None where it cannot be."""
    try:
        return read()
    except Unreadable:
        return None


@given(written_numbers())
def test_the_fast_path_for_numbers_equals_the_library(written: str) -> None:
    """Whatever it takes, `phonenumbers` makes the same of it, but for what is a doubt to both."""
    quick = contact._ITALIAN.fullmatch(written.translate(contact._SEPARATORS))
    if quick:
        assert told(lambda: contact.phone_by_library(written)) in {f"+39{quick[1]}", None}


@st.composite
def foreign_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A number of any country and type in one of the library's own spellings, and its E.164."""
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    types = [phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]
    example = phonenumbers.example_number_for_type(region, draw(st.sampled_from(types)))
    assume(example is not None)
    assert example is not None
    number = phonenumbers.PhoneNumber()
    number.merge_from(example)
    shift = draw(st.integers(0, 9_999))
    number.national_number = (example.national_number or 0) // 10_000 * 10_000 + shift
    assume(phonenumbers.is_possible_number(number))
    forms = phonenumbers.PhoneNumberFormat
    forms_of = [forms.E164, forms.INTERNATIONAL, forms.RFC3966]
    forms_of += [forms.NATIONAL] if region == "IT" else []
    form = draw(st.sampled_from(forms_of))
    written = phonenumbers.format_number(number, form)
    if form == forms.INTERNATIONAL and draw(st.booleans()):
        written = written.replace("+", "00", 1)
    return written, phonenumbers.format_number(number, forms.E164)


@given(foreign_numbers())
def test_numbers_of_every_country_are_what_the_library_says(number: tuple[str, str]) -> None:
    """However it is spelled, Italian or foreign: the library's E.164, fast path or not."""
    written, e164 = number
    assert normalise("phone", written).value == e164


@given(written_numbers())
def test_what_the_library_refuses_is_refused(written: str) -> None:
    """The fast path takes nothing that `phonenumbers` would not, and gives what it gives."""
    assert told(lambda: normalise("phone", written).value) == told(
        lambda: contact.phone_by_library(written)
    )


@given(st.emails())
def test_addresses_are_what_the_library_says(written: str) -> None:
    """Any address of RFC 5322 that the library takes, and no other; fast path or not."""
    try:
        wanted = contact.email_by_library(written)
    except Unreadable:
        with pytest.raises(Unreadable):
            normalise("email", written)
    else:
        assert normalise("email", written).value == wanted


_LOCAL = st.text("abz09._%+-'AZ ", min_size=1, max_size=12)
_DOMAIN = st.text("abz09-.AX", min_size=1, max_size=14)


@given(_LOCAL, _DOMAIN, st.sampled_from(["it", "com", "eu", "net", "org", "test", "xn--p1ai"]))
def test_the_fast_path_for_addresses_equals_the_library(local: str, domain: str, top: str) -> None:
    """Whatever it takes, `email-validator` makes the same of it."""
    written = f"{local}@{domain}.{top}"
    quick = written.strip().lower()
    if contact._EMAIL.fullmatch(quick):
        assert contact.email_by_library(written) == quick


@pytest.mark.parametrize("address", ["a.b@example.it", "A_b+c-d@mail.ex-ample.co.com", "0@1.eu"])
def test_common_addresses_take_the_fast_path(address: str) -> None:
    """The property above is not empty."""
    assert contact._EMAIL.fullmatch(address.lower())


@given(st.one_of(written_numbers().map(lambda text: ("phone", text)),
                 st.text(max_size=40).map(lambda text: ("postal", text)),
                 st.emails().map(lambda text: ("email", text))))  # fmt: skip
def test_normalising_twice_is_normalising_once(written: tuple[str, str]) -> None:
    """A value that went through the log and comes back is the same contact."""
    try:
        once = normalise(*written)
    except Unreadable:
        return
    assert normalise(once.kind, once.value) == once


def test_a_token_is_keyed_versioned_and_of_one_contact() -> None:
    """17 bytes, led by the pepper's version; another for anything else; secret in no repr."""
    number = normalise("phone", "3331234567")
    one = token(PEPPER, "acme", number)
    assert (len(one), one[0]) == (SIZE, 1)
    others = {
        token(PEPPER, "other", number),
        token(Pepper(2, b"s" * 32), "acme", number),
        token(Pepper(1, b"t" * 32), "acme", number),
        token(PEPPER, "acme", normalise("phone", "3331234568")),
    }
    assert len(others | {one}) == 5
    assert "ssss" not in repr(PEPPER)


def test_tokens_of_many_are_those_of_each() -> None:
    """In order, of every kind."""
    contacts = [Contact(kind, value) for kind in Kind for value in ("a", "è")]
    assert tokens(PEPPER, "acme", contacts) == [token(PEPPER, "acme", each) for each in contacts]


@pytest.mark.parametrize("version,secret", [(0, b"s" * 32), (256, b"s" * 32), (1, b"short")])
def test_a_pepper_that_protects_nothing_is_refused(version: int, secret: bytes) -> None:
    """Version out of its byte, or a secret that can be guessed."""
    with pytest.raises(ValueError, match="pepper"):
        Pepper(version, secret)
