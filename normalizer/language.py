"""The language of a text, by its script, by telling letters, and by its commonest words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import chain

#: Characters looked at: more never changes the answer, and a novel must not cost more than a note.
_SAMPLE = 400
#: Addresses say nothing about the language around them, which in Chinese may touch them.
_ADDRESS = re.compile(
    r"(?:[a-z]{2,6}://|www\.)[!-~]*|(?<![\w.%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]+", re.IGNORECASE
)
#: Single letters are as often initials and numberings as words.
_WORD = re.compile(r"[^\W\d_]{2,}")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]+")
_EASTERN = re.compile("[\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f]")
_OTHER_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ko", re.compile("[\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e]+")),
    ("ru", re.compile("[\u0400-\u052f]+")),
    ("ar", re.compile("[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]+")),
    ("el", re.compile("[\u0370-\u03ff\u1f00-\u1fff]+")),
    ("he", re.compile("[\u0590-\u05ff]+")),
    ("th", re.compile("[\u0e00-\u0e7f]+")),
    ("hi", re.compile("[\u0900-\u097f]+")),
    ("bn", re.compile("[\u0980-\u09ff]+")),
    ("ta", re.compile("[\u0b80-\u0bff]+")),
    ("lo", re.compile("[\u0e80-\u0eff]+")),
    ("my", re.compile("[\u1000-\u109f]+")),
    ("ka", re.compile("[\u10a0-\u10ff]+")),
    ("km", re.compile("[\u1780-\u17ff]+")),
    ("hy", re.compile("[\u0530-\u058f]+")),
)
#: Letters by which another language of the same script is known, tried in order.
_TELLING: Mapping[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    "ru": (
        ("sr", re.compile("[ђјљњћџЂЈЉЊЋЏ]")),
        ("be", re.compile("[ўЎ]")),
        ("uk", re.compile("[іїєґІЇЄҐ]")),
        ("kk", re.compile("[әғқңұһӘҒҚҢҰҺ]")),
    ),
    "ar": (("ur", re.compile("[ٹڈڑےہھ]")), ("fa", re.compile("[پچژگ]"))),
}
_VIETNAMESE = re.compile("[ăđơưĂĐƠƯ\u1ea0-\u1ef9]")
#: A Chinese character says about as much as this many Latin letters.
_HAN_WEIGHT = 4
#: Words of a Latin-script text that vote.
_VOTERS = 40

_STOP_WORDS: Mapping[str, str] = {
    "en": "the of and to is that it for you was with are this have not be on at by from or my we our your"
    " can will would please thank thanks hello dear what when which there been has had they am but",
    "de": "der die das und ist nicht ich sie mit ein eine zu den von auf für dem sich auch es an wir haben"
    " bitte danke ihre mein meine wurde bei aus noch guten hallo sehr kann wie habe hat",
    "fr": "le la les de des et est un une que qui pas je vous nous pour dans sur avec ce cette mon ma votre"
    " bonjour merci du au il elle être avez avons suis mais plus par très",
    "es": "el la los las de que es un una en no por con para su mi me se lo al del gracias hola pero más"
    " como está usted he ha muy esta este tengo quiero",
    "pt": "os as de que um uma em não por com para seu minha meu me se ao do da obrigado obrigada"
    " olá mas mais como está você muito dos das foi isso",
    "it": "il lo la gli le di che un una in non per con su mi si al del della grazie ciao ma più come"
    " buongiorno sono ho ha questo questa molto anche nel mio",
    "nl": "de het een en van is niet ik je dat op te zijn met voor aan er ook maar we wij mijn uw bedankt"
    " hallo naar heb heeft geen wat bij deze graag dit",
    "pl": "nie na się to że do jest jak po za od ale czy dla mam proszę dziękuję dzień dobry są"
    " mój moje przez tak już był",
    "cs": "je se na že to do ne pro jsem jsou ale jak by mi prosím děkuji dobrý den který při"
    " byl není nebo mám vás",
    "sv": "och att det som en på är av för med till den inte jag ett har vi om ni tack hej men från kan"
    " min mitt var så mycket",
    "da": "og at det som en på er af for med til den ikke jeg et har vi om tak hej men fra kan min mit var"
    " så meget hvad blev",
    "fi": "ja on ei se että en ole olen oli mutta kun niin myös tai minun kiitos hei voi mitä tämä ovat"
    " sitä jos vain",
    "tr": "ve bir bu için ile da de çok ne var yok değil ben siz olarak merhaba teşekkürler teşekkür ama"
    " gibi daha lütfen kadar sonra",
    "id": "yang dan di itu dengan untuk tidak ini dari saya ke ada akan bisa terima kasih anda kami pada"
    " juga sudah tolong halo selamat",
    "ro": "și de la nu cu pe în este un să pentru că din mai am sunt vă mulțumesc bună dar ce care fost",
    "hu": "az és nem hogy is egy ez van én meg de köszönöm kérem volt csak mint már nagyon jó szép",
}
_SPEAKERS: dict[str, tuple[str, ...]] = {}
for _language, _words in _STOP_WORDS.items():
    for _one in _words.split():
        _SPEAKERS[_one] = (*_SPEAKERS.get(_one, ()), _language)


def detect(text: str) -> str | None:
    """The language of a text as a BCP 47 tag (`zh-CN`, `ja`, `en`, …), or None when it cannot be told.

    Chinese that uses only characters common to both scripts counts as zh-CN. Of a text in several
    scripts the one that says most decides.
    """
    sample = text[:_SAMPLE]
    if "@" in sample or "://" in sample or "www." in sample:
        sample = _ADDRESS.sub(" ", sample)
    if sample.isascii():
        return _latin(sample)
    latin = _count(_LATIN, sample)
    han, kana = (_count(_HAN, sample), _count(_KANA, sample)) if _EASTERN.search(sample) else (0, 0)
    if (han or kana) and (han + kana) * _HAN_WEIGHT >= latin:
        return _eastern(sample, han, kana)
    if latin < len(sample) // 2:  # the rest is spaces, digits and perhaps a third script
        for language, script in _OTHER_SCRIPTS:
            if _count(script, sample) > latin:
                return _by_letters(language, sample)
    return _latin(sample) or (_eastern(sample, han, kana) if han or kana else None)


def _count(script: re.Pattern[str], sample: str) -> int:
    return sum(map(len, script.findall(sample)))


def _eastern(sample: str, han: int, kana: int) -> str:
    # One character in ten: Japanese prose has more, and a Chinese text that cites a の has fewer.
    if kana and kana * 10 >= han + kana:
        return "ja"
    if _count(_OTHER_SCRIPTS[0][1], sample) > han:
        return "ko"
    # The character sets of the two scripts are the test: whichever covers more of the text.
    simplified = len(sample.encode("gb2312", "ignore"))
    traditional = len(sample.encode("big5", "ignore"))
    return "zh-TW" if traditional > simplified else "zh-CN"


def _by_letters(language: str, sample: str) -> str:
    for other, letters in _TELLING.get(language, ()):
        if letters.search(sample):
            return other
    return language


def _latin(sample: str) -> str | None:
    if not sample.isascii() and len(_VIETNAMESE.findall(sample)) * 20 >= len(sample):
        return "vi"
    words = _WORD.findall(sample.lower())[:_VOTERS]
    votes = Counter(chain.from_iterable(_SPEAKERS.get(word, ()) for word in words))
    most = max(votes.values(), default=0)
    winners = [language for language, number in votes.items() if number == most]
    # One word is a vote only in a note of few words; a draw is no answer.
    return winners[0] if len(winners) == 1 and (most > 1 or len(words) <= 4) else None


def accepted(header: str) -> str | None:
    """The first language of Accept-Language (RFC 9110 §12.5.4), where the words themselves tell none."""
    tag = header.split(",")[0].partition(";")[0].strip()
    return tag if tag.replace("-", "").isalnum() and tag.isascii() and len(tag) <= 35 else None
