"""Words of the programme: names of people and places in the languages of the region."""

from __future__ import annotations

GIVEN_NAMES = (
    ("Asha", "Meena", "Sunita", "Lakshmi", "Kavita", "Rekha", "Anjali", "Geeta"),
    ("आशा", "सुनीता", "लक्ष्मी", "कविता", "रेखा", "अंजलि"),
    ("Amina", "Fatuma", "Zawadi", "Neema", "Rehema", "Halima"),
    ("አበበች", "ሰላማዊት", "ትዕግስት", "መስከረም"),
    ("Aïcha", "Mariétou", "Fatoumata", "Joséphine", "N'deye"),
    ("مريم", "فاطمة", "خديجة", "زينب"),
    ("မြမြ", "သန္တာ", "နီလာ"),
)
FAMILY_NAMES = (
    ("K.", "Devi", "Kumari", "Sharma", "Yadav", "Bai"),
    ("देवी", "कुमारी", "शर्मा", "यादव"),
    ("Mwangi", "Otieno", "Juma", "Hassan"),
    ("በቀለ", "ታደሰ", "ገብረ"),
    ("Diallo", "Traoré", "Ouédraogo", "N'Diaye"),
    ("حسن", "علي", "عمر"),
    ("အောင်", "ဦး", "မောင်"),
)
LANGUAGES = ("en", "hin", "swa", "amh", "fra", "ara", "mya")
VILLAGES = (
    *("Otjo", "Rundu", "Kaski", "Bhadra", "Lamu", "Adwa", "Thiès", "Saint-Louis", "Río Seco"),
    *("देवपुर", "रामनगर", "لحج", "မင်းဘူး", "ባህር ዳር", "Katima", "Nyeri", "Gondar"),
)
RISKS = ("", "low", "high", "low", "unknown")
DANGER_SIGNS = ("fever", "bleeding", "swelling", "headache", "blurred_vision", "convulsions")
VACCINES = ("bcg", "opv0", "penta1", "penta2", "penta3", "mr1")
REMARKS = (
    "",
    "well",
    'said "tomorrow", then left',
    "line one\nline two\tand a tab",
    "back\\slash and it's fine",
    "🙂 mère et enfant en bonne santé",
    "ठीक है",
)


def person(bits: bytes) -> str:
    """Name a person by three bytes."""
    language = bits[0] % len(GIVEN_NAMES)
    given, family = GIVEN_NAMES[language], FAMILY_NAMES[language]
    return f"{given[bits[1] % len(given)]} {family[bits[2] % len(family)]}"
